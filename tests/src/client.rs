//! A signed-in user who speaks HTTP.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, multipart};
use serde_json::{Value, json};

use crate::{ByHand, PATIENCE, wait_for, wait_longer};

/// An answer: status, headers, body as JSON (or null).
#[derive(Debug, Clone)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: reqwest::header::HeaderMap,
    /// Body as JSON; text that is not JSON as a string.
    pub body: Value,
}

impl Reply {
    /// The body, when the status is the expected one.
    ///
    /// # Errors
    /// Names the answer when it is another.
    pub fn expect(self, status: u16) -> Result<Value> {
        ensure!(
            self.status == status,
            "expected {status}, got {}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }

    /// The error code of a problem document.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// A user, or nobody.
#[derive(Debug, Clone)]
pub struct Session {
    http: reqwest::Client,
    base: String,
    /// Id of the user.
    pub id: i64,
    /// Address.
    pub email: String,
    /// Password.
    pub password: String,
    /// Access token, or empty.
    pub token: String,
    /// Refresh token, or empty.
    pub refresh_token: String,
}

impl Session {
    pub(crate) fn anonymous(http: reqwest::Client, base: &str) -> Self {
        Self {
            http,
            base: base.to_owned(),
            id: 0,
            email: String::new(),
            password: String::new(),
            token: String::new(),
            refresh_token: String::new(),
        }
    }

    pub(crate) async fn sign_up(http: reqwest::Client, base: &str, role: &str) -> Result<Self> {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let mut session = Self::anonymous(http, base);
        session.email = format!("{name}@example.org");
        session.password = name;
        let account = json!({"email": session.email, "password": session.password, "full_name": "Some Body", "role": role});
        let user = session.post("/auth/register", &account).await?.expect(201)?;
        session.id = user["id"].as_i64().context("a user has an id")?;
        session.sign_in().await?;
        Ok(session)
    }

    /// The same user by another client and another way.
    #[must_use]
    pub fn by_way_of(&self, http: reqwest::Client, base: &str) -> Self {
        Self {
            http,
            base: base.to_owned(),
            ..self.clone()
        }
    }

    /// Signs in again.
    ///
    /// # Errors
    /// When the credentials are refused.
    pub async fn sign_in(&mut self) -> Result<()> {
        self.token.clear();
        let credentials = json!({"email": self.email, "password": self.password});
        let tokens = self.post("/auth/login", &credentials).await?.expect(200)?;
        self.token = tokens["access_token"].as_str().unwrap_or_default().to_owned();
        self.refresh_token = tokens["refresh_token"].as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    /// A request with this user's token.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header("accept", "application/json");
        if self.token.is_empty() {
            request
        } else {
            request.bearer_auth(&self.token)
        }
    }

    /// Begins a request with a body of this type and length, which is sent by hand.
    ///
    /// # Errors
    /// When there is no connection.
    pub async fn begin(&self, method: &Method, path: &str, kind: &str, length: usize) -> Result<ByHand> {
        let authorization = match self.token.as_str() {
            "" => String::new(),
            token => format!("authorization: Bearer {token}\r\n"),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\n{authorization}content-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        ByHand::begin(&self.base, &head).await
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<Reply> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Reply {
            status,
            headers,
            body,
        })
    }

    /// GET.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Result<Reply> {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// PUT with a JSON body.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Reply> {
        self.send(self.request(Method::PUT, path).json(body)).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn delete(&self, path: &str) -> Result<Reply> {
        self.send(self.request(Method::DELETE, path)).await
    }

    /// Uploads a file.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn upload(&self, course: i64, name: &str, bytes: impl Into<Vec<u8>>) -> Result<Reply> {
        let part = multipart::Part::bytes(bytes.into()).file_name(name.to_owned());
        let request = self.request(Method::POST, &format!("/courses/{course}/assets"));
        self.send(request.multipart(multipart::Form::new().part("file", part)))
            .await
    }

    /// Creates a course with one module of text lessons.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn course(&self, lessons: &[(&str, &str)]) -> Result<i64> {
        let course = self
            .post(
                "/courses",
                &json!({"title": "A course", "description": "For a test."}),
            )
            .await?
            .expect(201)?;
        let id = course["id"].as_i64().context("a course has an id")?;
        self.put_lessons(id, &text_lessons(lessons)).await?.expect(200)?;
        Ok(id)
    }

    /// Replaces the draft by one module with these lessons.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn put_lessons(&self, course: i64, lessons: &[Value]) -> Result<Reply> {
        let content = json!({"modules": [{"id": "m1", "title": "Module", "lessons": lessons}]});
        self.put(&format!("/courses/{course}/content"), &content).await
    }

    /// Completes a lesson, as far as the service lets it.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn complete_lesson(&self, course: i64, lesson: &str) -> Result<Reply> {
        let path = format!("/progress/lessons/{lesson}/complete");
        self.post(&path, &json!({ "course_id": course })).await
    }

    /// Publishes and waits for the end; answers the status.
    ///
    /// # Errors
    /// When the publish is refused or does not end.
    pub async fn publish(&self, course: i64) -> Result<Value> {
        self.post(&format!("/courses/{course}/publish"), &Value::Null)
            .await?
            .expect(202)?;
        self.publish_end(course).await
    }

    /// Waits for the end of the latest publish; answers the status.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn publish_end(&self, course: i64) -> Result<Value> {
        self.publish_end_within(course, PATIENCE).await
    }

    /// The same, for a publish that takes long.
    ///
    /// # Errors
    /// When it does not end within this time.
    pub async fn publish_end_within(&self, course: i64, patience: Duration) -> Result<Value> {
        wait_longer(patience, "the end of the publish", async || {
            // A service that was just killed is on its way back.
            let Ok(reply) = self.get(&format!("/courses/{course}/publish")).await else {
                return Ok(Err("no answer".to_owned()));
            };
            let ended = matches!(
                reply.body["state"].as_str(),
                Some("completed" | "failed" | "cancelled")
            );
            Ok(if ended {
                Ok(reply.body)
            } else {
                Err(reply.body.to_string())
            })
        })
        .await
    }

    /// Waits until the status of the latest publish is as it should be; answers it.
    ///
    /// # Errors
    /// When it does not become so, or cannot be had.
    pub async fn publish_shows(&self, course: i64, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let path = format!("/courses/{course}/publish");
        wait_for(what, async || {
            let status = self.get(&path).await?.expect(200)?;
            Ok(if is(&status) {
                Ok(status)
            } else {
                Err(status.to_string())
            })
        })
        .await
    }
}

/// Text lessons as a draft has them, `l1`, `l2` and so on.
pub fn text_lessons(lessons: &[(&str, &str)]) -> Vec<Value> {
    let numbered = (1..).zip(lessons);
    numbered
        .map(|(number, (title, text))| {
            json!({"id": format!("l{number}"), "title": title, "type": "text", "content": {"markdown": text}})
        })
        .collect()
}
