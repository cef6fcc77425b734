use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use posthaste_testkit::{Answer, RawAnswer, RawReceiver, Receiver};

/// Posts a body on a connection of its own and reads everything up to its end.
async fn post(address: SocketAddr, body: &'static str) -> Vec<u8> {
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = format!(
            "POST /hook?a=b HTTP/1.1\r\nhost: x\r\nx-n: 1\r\nconnection: close\r\ncontent-length: {}",
            body.len()
        );
        write!(stream, "{head}\r\n\r\n{body}").unwrap();
        let mut answer = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut answer);
        answer
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

#[tokio::test]
async fn it_records_what_comes_and_answers_by_the_script_first() {
    let receiver = Receiver::start().await;
    receiver.answer(Answer::status(503).header("retry-after", "7").body("later"));
    receiver.script([Answer::status(410), Answer::close()]);
    let gone = String::from_utf8(post(receiver.address(), "one").await).unwrap();
    assert!(gone.starts_with("HTTP/1.1 410 "), "{gone}");
    assert_eq!(post(receiver.address(), "two").await, b"");
    let busy = String::from_utf8(post(receiver.address(), "three").await).unwrap();
    assert!(busy.starts_with("HTTP/1.1 503 ") && busy.contains("retry-after: 7") && busy.ends_with("later"), "{busy}");
    let received = receiver.wait_for(3).await;
    let bodies: Vec<_> = received.iter().map(|one| one.body.as_ref()).collect();
    assert_eq!(bodies, [&b"one"[..], b"two", b"three"]);
    assert_eq!((received[0].path.as_str(), received[0].header("x-n")), ("/hook?a=b", "1"));
    assert_eq!(receiver.most_at_once(), 1);
}

#[tokio::test]
async fn a_hung_exchange_leaves_the_others_alone_and_ends_with_the_receiver() {
    let receiver = Receiver::start().await;
    receiver.script([Answer::hang()]);
    let address = receiver.address();
    let hung = post(address, "hung");
    tokio::pin!(hung);
    tokio::select! {
        _ = &mut hung => panic!("it does not end"),
        _ = receiver.wait_for(1) => {}
    }
    assert!(!post(address, "other").await.is_empty());
    receiver.stop().await;
    assert_eq!(hung.await, b"");
    assert!(TcpStream::connect_timeout(&address, Duration::from_secs(5)).is_err(), "somebody still listens");
}

#[tokio::test]
async fn a_raw_receiver_writes_the_bytes_it_is_given() {
    let receiver = RawReceiver::start(RawAnswer::binary()).await;
    assert!(post(receiver.address(), "").await.ends_with(b"\r\n\r\n\0\xff\xfe\0ab"));
    receiver.answer(RawAnswer::lying_length());
    assert!(post(receiver.address(), "x").await.ends_with(b"content-length: 1000\r\n\r\nshort"));
    receiver.wait_for(2).await;
}
