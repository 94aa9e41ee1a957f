//! Redirects: none leads from a public repository into the machine's own networks, whatever the target
//! is called and whatever its name resolves to.
//!
//! The proxy of these tests answers for public names, since a test has no public address. What names
//! resolve to is tested beside `http::network`, where addresses can be given.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Program, temp_store};

/// A proxy that answers each request, wherever it is to go, with a redirect to `location`; and the number
/// of requests for another host than the repository's.
async fn proxy(location: String) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let followed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&followed);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 << 10];
            let Ok(length) = stream.read(&mut request).await else {
                continue;
            };
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            if !request.starts_with("GET http://repository.example/") {
                count.fetch_add(1, Ordering::Relaxed);
            }
            let answer = format!(
                "HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, followed)
}

#[tokio::test]
async fn no_redirect_leads_to_the_machine_or_its_networks() {
    for target in [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[fe80::1]/",
        "http://[2001::1]/",
        "http://127.0.0.1:1/",
        "http://localhost:1/",
        "http://10.0.0.1/",
    ] {
        let (proxy, followed) = proxy(target.to_owned()).await;
        let store = temp_store();
        let config = store.dir().join("harvestd.toml");
        std::fs::write(
            &config,
            format!(
                "store = '{}'\n[[source]]\nname = 'a'\nurl = 'http://repository.example/oai'\n\
                 metadata_prefix = 'oai_dc'\nproxy = '{proxy}'\nretries = 0\ndelay = '0s'\n",
                store.argument()
            ),
        )
        .unwrap();
        let run = Program::new(&["harvest", "--config", config.to_str().unwrap()])
            .run()
            .await;
        assert!(run.stderr.contains("private address"), "{target}: {run:?}");
        assert_eq!(followed.load(Ordering::Relaxed), 0, "{target}");
    }
}

/// A repository in a private network may lead to a neighbour, but never to link-local addresses.
#[tokio::test]
async fn no_redirect_leads_to_link_local_addresses_even_from_a_private_network() {
    use crate::support::{Fault, Repository, When, harvestd};
    for target in [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:169.254.169.254]/",
        "http://[fe80::1]/",
    ] {
        let repository = Repository::with_records(1)
            .always(When::Always, Fault::redirect(302, target))
            .start()
            .await;
        let store = temp_store();
        let run = harvestd(&[
            "harvest",
            "--store",
            &store.argument(),
            &repository.base_url(),
        ])
        .await;
        assert!(run.stderr.contains("private address"), "{target}: {run:?}");
    }
}
