//! The words of messages: one file per template and form, in `templates/`.

use minijinja::{Environment, UndefinedBehavior, value::Serde};
use serde::Serialize;
use smartcourse_platform::{Error, Result};

use crate::message::Template;

/// Name of a file and what is in it. Values are escaped in files named `.html`.
const FILES: [(&str, &str); 8] = [
    ("welcome.subject", include_str!("../templates/welcome.subject")),
    ("welcome.txt", include_str!("../templates/welcome.txt")),
    ("welcome.html", include_str!("../templates/welcome.html")),
    ("welcome.short", include_str!("../templates/welcome.short")),
    (
        "certificate.subject",
        include_str!("../templates/certificate.subject"),
    ),
    ("certificate.txt", include_str!("../templates/certificate.txt")),
    ("certificate.html", include_str!("../templates/certificate.html")),
    (
        "certificate.short",
        include_str!("../templates/certificate.short"),
    ),
];

/// What the templates may name.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) name: String,
    pub(crate) course_title: String,
    pub(crate) course_url: String,
    pub(crate) certificate_url: Option<String>,
    pub(crate) unsubscribe_url: String,
}

/// The forms of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    /// One line: what it is about.
    Subject,
    /// The whole message as plain text.
    Text,
    /// The whole message as HTML.
    Html,
    /// One sentence, for small screens.
    Short,
}

/// The templates, read and checked.
pub(crate) struct Templates(Environment<'static>);

impl Templates {
    /// Reads them.
    pub(crate) fn new() -> Result<Self> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, text) in FILES {
            let broken = |error| Error::internal(format!("the template {name} is broken")).because(error);
            environment.add_template(name, text).map_err(broken)?;
        }
        Ok(Self(environment))
    }

    /// Writes a message in one of its forms.
    pub(crate) fn write(&self, template: Template, form: Form, facts: &Facts) -> Result<String> {
        let extension = match form {
            Form::Subject => "subject",
            Form::Text => "txt",
            Form::Html => "html",
            Form::Short => "short",
        };
        let name = format!("{}.{extension}", template.as_text());
        let written = self
            .0
            .get_template(&name)
            .and_then(|file| file.render(Serde(facts)));
        let broken = || Error::internal(format!("the template {name} cannot be filled in"));
        written.map_err(|error| broken().because(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_written_and_html_is_escaped() {
        let templates = Templates::new().expect("they are well formed");
        let facts = Facts {
            name: "<b>Eve</b>".to_owned(),
            course_title: "R&D \"x\"".to_owned(),
            course_url: "http://h/courses/7".to_owned(),
            certificate_url: Some("http://h/certificates/abc".to_owned()),
            unsubscribe_url: "http://h/unsubscribe?token=t".to_owned(),
        };
        for template in [Template::Welcome, Template::Certificate] {
            let write = |form| templates.write(template, form, &facts).expect("is written");
            let html = write(Form::Html);
            assert!(
                html.contains("&lt;b&gt;Eve&lt;") && html.contains("R&amp;D") && !html.contains("<b>"),
                "{html}"
            );
            let text = write(Form::Text);
            assert!(
                text.contains("Hello <b>Eve</b>,") && text.contains("?token=t"),
                "{text}"
            );
            for line in [write(Form::Subject), write(Form::Short)] {
                assert!(line.contains("R&D \"x\"") && !line.contains('\n'), "{line}");
            }
        }
    }
}
