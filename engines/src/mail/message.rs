//! From a mail to the message that travels (RFC 5322): headers, plain text and HTML.

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use smartcourse_platform::{Error, Result, error::codes, ports::mail::Mail};

/// A text as part of one header line.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Writes a mail as a message.
pub(super) fn message(id: &str, mail: &Mail, from: &Mailbox) -> Result<Message> {
    let address: Address = mail.to.parse().map_err(|error| {
        let detail = "the recipient's address is no e-mail address";
        Error::new(&codes::DELIVERY_REFUSED, detail).because(error)
    })?;
    let name = one_line(&mail.to_name);
    let to = Mailbox::new(Some(name).filter(|name| !name.is_empty()), address);
    // Parsing leaves no character in an address that could end its line.
    let unsubscribe = url::Url::parse(&mail.unsubscribe_url)
        .map_err(|error| Error::internal("the unsubscribe address of a mail is none").because(error))?;
    // RFC 2369 and RFC 8058.
    let header = |name, value| HeaderValue::new(HeaderName::new_from_ascii_str(name), value);
    Message::builder()
        .message_id(Some(format!("<{}@{}>", one_line(id), from.email.domain())))
        .from(from.clone())
        .to(to)
        .subject(one_line(&mail.subject))
        .raw_header(header("List-Unsubscribe", format!("<{unsubscribe}>")))
        // One POST to the address is enough.
        .raw_header(header(
            "List-Unsubscribe-Post",
            "List-Unsubscribe=One-Click".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(
            mail.text.clone(),
            mail.html.clone(),
        ))
        .map_err(|error| Error::internal("a mail could not be written").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_header() {
        let mail = Mail {
            to: "ada@example.org".to_owned(),
            to_name: "Eve\r\nBcc: everybody@example.org".to_owned(),
            subject: "Hello\nX-Evil: 1\r\n\r\n<script>".to_owned(),
            text: "one\r\n.\r\ntwo".to_owned(),
            html: "<p>one</p>".to_owned(),
            unsubscribe_url: "http://h/unsubscribe?token=a\r\nX-Evil: 2".to_owned(),
        };
        let from: Mailbox = "SmartCourse <no-reply@example.org>".parse().expect("an address");
        let message = message("id\r\nX-Evil: 3", &mail, &from).expect("is written");
        let text = String::from_utf8(message.formatted()).expect("is UTF-8");
        let (head, _) = text.split_once("\r\n\r\n").expect("has a head");
        let names: Vec<&str> = head
            .split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .filter_map(|line| line.split_once(':').map(|(name, _)| name))
            .collect();
        assert_eq!(
            names,
            [
                "Message-ID",
                "From",
                "To",
                "Subject",
                "List-Unsubscribe",
                "List-Unsubscribe-Post",
                "MIME-Version",
                "Date",
                "Content-Type"
            ],
            "{head}"
        );
        let recipients = message.envelope().to();
        assert_eq!(recipients.len(), 1, "{recipients:?}");
        for address in ["", "nobody", "a@b\r\nBcc: c@d", "a@b,c@d"] {
            let refused = Mail {
                to: address.to_owned(),
                ..mail.clone()
            };
            let error = super::message("id", &refused, &from).expect_err("is refused");
            assert!(!error.kind().is_retryable());
        }
    }
}
