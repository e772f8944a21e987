//! The demo's view of the HTTP API: what an instructor's own script would do.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, multipart};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use smartcourse_proto::{
    assistant::Answer,
    content::Asset,
    course::{Content, Course, PublishAccepted, PublishStatus},
    enrollment::Enrollment,
    user::TokenPair,
};

/// What the demo remembers between runs, so that a second one finds its account and course again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    email: String,
    password: String,
    pub(super) course_id: Option<i64>,
    /// The small course that builds on it.
    #[serde(default)]
    pub(super) workshop_id: Option<i64>,
}

impl Memory {
    const FILE: &str = "demo.json";

    pub(super) fn load(root: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(root.join(Self::FILE)).ok()?).ok()
    }

    pub(super) fn save(&self, root: &Path) -> Result<()> {
        let path = root.join(Self::FILE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A signed-in user.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

/// The words of a refusal that the demo shows.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    /// A code of docs/ERRORS.md.
    pub(super) code: String,
    /// For people.
    pub(super) detail: String,
}

impl Client {
    /// Registers the demo's instructor, or signs the earlier one in.
    pub(super) async fn sign_in(gateway: &str, root: &Path) -> Result<Self> {
        let memory = match Memory::load(root) {
            Some(memory) => memory,
            None => {
                let id = uuid::Uuid::new_v4().simple().to_string();
                let memory = Memory {
                    email: format!("ada+{}@example.org", &id[..8]),
                    password: id,
                    ..Memory::default()
                };
                memory.save(root)?;
                memory
            }
        };
        let http = reqwest::Client::new();
        Self::account(
            http,
            gateway,
            &memory.email,
            &memory.password,
            "Ada",
            "instructor",
        )
        .await
    }

    /// Registers a student and signs them in: the demo has new ones each time.
    pub(super) async fn student(&self, name: &str) -> Result<Self> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let email = format!("{}+{}@example.org", name.to_lowercase(), &id[..8]);
        Self::account(self.http.clone(), &self.base, &email, &id, name, "student").await
    }

    /// Registers an account unless it is there, and signs it in.
    async fn account(
        http: reqwest::Client,
        gateway: &str,
        email: &str,
        password: &str,
        name: &str,
        role: &str,
    ) -> Result<Self> {
        let mut client = Self {
            http,
            base: gateway.to_owned(),
            token: String::new(),
        };
        let account = json!({"email": email, "password": password, "full_name": format!("{name} Example"), "role": role});
        let registered: Result<Value> = client.post("/auth/register", &account).await;
        if let Err(error) = registered
            && !format!("{error:#}").contains("email_taken")
        {
            return Err(error);
        }
        let tokens: TokenPair = client.post("/auth/login", &account).await?;
        client.token = tokens.access_token;
        Ok(client)
    }

    /// Takes a seat, or answers why there is none.
    pub(super) async fn enroll(&self, course_id: i64) -> Result<std::result::Result<Enrollment, Refusal>> {
        let call = format!("/courses/{course_id}/enroll");
        let response = self
            .http
            .post(format!("{}{call}", self.base))
            .bearer_auth(&self.token)
            .send()
            .await?;
        if response.status() == reqwest::StatusCode::CONFLICT {
            return Ok(Err(response.json().await?));
        }
        Self::read(&format!("POST {call}"), response).await.map(Ok)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(super) async fn patch<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        self.send(Method::PATCH, path, Some(body)).await
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<&Value>) -> Result<T> {
        let mut request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .header("accept", "application/json");
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Self::read(&format!("{method} {path}"), request.send().await?).await
    }

    async fn read<T: DeserializeOwned>(call: &str, response: reqwest::Response) -> Result<T> {
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            bail!("{call} answered {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("{call} answered {text}"))
    }

    pub(super) async fn course(&self, id: i64) -> Result<Course> {
        self.get(&format!("/courses/{id}")).await
    }

    pub(super) async fn create(&self, course: &Value) -> Result<Course> {
        self.post("/courses", course).await
    }

    pub(super) async fn put_content(&self, id: i64, modules: &Value) -> Result<Content> {
        let path = format!("/courses/{id}/content");
        self.send(Method::PUT, &path, Some(&json!({ "modules": modules })))
            .await
    }

    pub(super) async fn upload(&self, id: i64, file: &Path) -> Result<Asset> {
        let path = format!("/courses/{id}/assets");
        let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let form = multipart::Form::new().part("file", multipart::Part::bytes(bytes).file_name(name));
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .multipart(form);
        Self::read(&format!("POST {path}"), request.send().await?).await
    }

    pub(super) async fn publish(&self, id: i64) -> Result<PublishAccepted> {
        self.send(Method::POST, &format!("/courses/{id}/publish"), None)
            .await
    }

    pub(super) async fn publish_status(&self, id: i64) -> Result<PublishStatus> {
        self.get(&format!("/courses/{id}/publish")).await
    }

    pub(super) async fn ask(&self, id: i64, question: &str) -> Result<Answer> {
        self.post(&format!("/courses/{id}/ask"), &json!({ "question": question }))
            .await
    }
}
