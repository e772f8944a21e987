//! The contract of the mail port.

use smartcourse_engines::mail::{folder::Folder, smtp::Smtp};
use smartcourse_platform::{
    error::codes,
    ports::mail::{Mail, Mailer},
};
use smartcourse_tests::MailServer;

fn mail() -> Mail {
    Mail {
        to: "ada@example.org".to_owned(),
        to_name: "Ada Łovelace".to_owned(),
        subject: "You are enrolled: Ümläute".to_owned(),
        text: "Hello Ada,\n.\n..hidden\nhttp://h/courses/7\n".to_owned(),
        html: "<p>Hello Ada</p>".to_owned(),
        unsubscribe_url: "http://h/unsubscribe?token=abc".to_owned(),
    }
}

/// What every adapter hands over; `read` answers all messages handed over so far.
async fn mail_contract(mailer: &dyn Mailer, read: impl Fn() -> Vec<String>) {
    mailer.send("id-1", &mail()).await.unwrap();
    let messages = read();
    let [message] = &messages[..] else {
        panic!("one message, got {messages:?}")
    };
    for line in [
        "Message-ID: <id-1@example.org>",
        "From: SmartCourse <no-reply@example.org>",
        "List-Unsubscribe: <http://h/unsubscribe?token=abc>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        "MIME-Version: 1.0",
    ] {
        assert!(message.lines().any(|found| found == line), "{line} in {message}");
    }
    assert!(message.contains("<ada@example.org>"), "{message}");
    assert!(message.contains("multipart/alternative"), "{message}");
    let (plain, html) = message.split_once("text/html").expect("two parts");
    assert!(
        plain.contains("text/plain") && plain.contains("\r\n.\r\n..hidden\r\n"),
        "{plain}"
    );
    assert!(html.contains("<p>Hello Ada</p>"), "{html}");

    let refused = Mail {
        to: "nobody".to_owned(),
        ..mail()
    };
    let error = mailer.send("id-2", &refused).await.unwrap_err();
    assert!(error.is(&codes::DELIVERY_REFUSED) && !error.kind().is_retryable());
    assert_eq!(read().len(), 1);
}

fn from() -> lettre::message::Mailbox {
    "SmartCourse <no-reply@example.org>".parse().unwrap()
}

#[tokio::test]
async fn mails_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mail");
    let folder = Folder::new(&path, from()).unwrap();
    let read = || {
        let files = std::fs::read_dir(&path).unwrap();
        files
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect()
    };
    // Of a process that was killed: longer than the mail that comes in its place.
    std::fs::write(path.join(".id-1"), vec![b'x'; 100_000]).unwrap();
    mail_contract(&folder, read).await;
    // Sent again: the same file, byte for byte.
    let file = path.join("id-1.eml");
    let first = std::fs::read(&file).unwrap();
    folder.send("id-1", &mail()).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), first);
    assert_eq!(read().len(), 1, "and no draft is left");
    std::fs::remove_dir_all(&path).unwrap();
    let error = folder.send("id-3", &mail()).await.unwrap_err();
    assert!(error.kind().is_retryable(), "a folder can come back");
}

#[tokio::test]
async fn mails_over_smtp() {
    let server = MailServer::start(0).await.unwrap();
    let smtp = Smtp::new(&server.url.clone().into(), from()).unwrap();
    mail_contract(&smtp, || server.messages()).await;
    let refusals = [
        (451, &codes::DELIVERY_FAILED),
        // Our credentials, not the address: whoever runs the product mends them, and nothing is lost until then.
        (530, &codes::DELIVERY_FAILED),
        (534, &codes::DELIVERY_FAILED),
        (535, &codes::DELIVERY_FAILED),
        (538, &codes::DELIVERY_FAILED),
        (550, &codes::DELIVERY_REFUSED),
    ];
    for (refusal, code) in refusals {
        server.refuse_with(refusal);
        let error = smtp.send("id-3", &mail()).await.unwrap_err();
        assert!(error.is(code), "{refusal}: {}", error.chain());
        assert!(error.chain().contains(&refusal.to_string()), "{}", error.chain());
    }
    server.refuse_with(0);
    smtp.send("id-1", &mail()).await.unwrap();
    let ids = server
        .messages()
        .join("")
        .matches("Message-ID: <id-1@example.org>")
        .count();
    assert_eq!(ids, 2, "what is sent again has the same id");
}

#[tokio::test]
async fn a_mail_server_that_is_not_there_is_tried_again() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let smtp = Smtp::new(&format!("smtp://{closed}").into(), from()).unwrap();
    let error = smtp.send("id-1", &mail()).await.unwrap_err();
    assert!(error.is(&codes::DELIVERY_FAILED), "{}", error.chain());
    assert!(Smtp::new(&"nonsense".into(), from()).is_err());
}
