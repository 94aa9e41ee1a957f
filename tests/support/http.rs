//! HTTP/1.1 by hand, since no library will send what a broken server sends.

use std::io;
use std::time::{Instant, SystemTime};

use harvestd::demo::Reply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::form_urlencoded;

use super::fault::{Fault, Framing};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct LoggedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// The arguments in order, decoded: those of the URL, then those of the form.
    pub arguments: Vec<(String, String)>,
    /// The `User-Agent`, if there was one.
    pub user_agent: Option<String>,
    /// All header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// When it had arrived, arguments and all.
    pub at: Instant,
}

impl LoggedRequest {
    /// The first argument of this name.
    pub fn argument(&self, name: &str) -> Option<&str> {
        let (_, value) = self.arguments.iter().find(|(key, _)| key == name)?;
        Some(value)
    }

    /// The first header field of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        Some(value)
    }
}

/// Reads one request; `None` when the client has closed the connection.
///
/// `rest` keeps what was read beyond it.
pub async fn read_request(
    stream: &mut TcpStream,
    rest: &mut Vec<u8>,
) -> io::Result<Option<LoggedRequest>> {
    let end = loop {
        if let Some(at) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&rest[..end]).into_owned();
    rest.drain(..end);
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target = first.next().unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = LoggedRequest {
        method,
        arguments: form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect(),
        user_agent: None,
        headers,
        at: Instant::now(),
    };
    request.user_agent = request.header("user-agent").map(str::to_owned);
    let length = request
        .header("content-length")
        .and_then(|value| value.parse().ok());
    let length: usize = length.unwrap_or(0);
    while rest.len() < length {
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
    let form: Vec<u8> = rest.drain(..length).collect();
    request
        .arguments
        .extend(form_urlencoded::parse(&form).into_owned());
    Ok(Some(request))
}

/// Sends a reply, with what is to happen to it. `false` when the connection is at its end.
pub async fn send(
    stream: &mut TcpStream,
    reply: &Reply,
    fault: Option<&Fault>,
    date: SystemTime,
) -> io::Result<bool> {
    let body = reply.body.as_slice();
    match fault {
        None | Some(Fault::Reply(_) | Fault::Answer(_) | Fault::Transform(_)) => {
            let whole = [head(reply, Framing::Length, date).as_bytes(), body].concat();
            stream.write_all(&whole).await?;
            return Ok(true);
        }
        Some(Fault::Delay(delay)) => {
            tokio::time::sleep(*delay).await;
            let whole = [head(reply, Framing::Length, date).as_bytes(), body].concat();
            stream.write_all(&whole).await?;
            return Ok(true);
        }
        Some(Fault::Drip { bytes, pause }) => {
            stream
                .write_all(head(reply, Framing::Length, date).as_bytes())
                .await?;
            for piece in body.chunks((*bytes).max(1)) {
                stream.write_all(piece).await?;
                tokio::time::sleep(*pause).await;
            }
            return Ok(true);
        }
        Some(Fault::Raw(bytes)) => stream.write_all(bytes).await?,
        Some(Fault::Cut { after, framing }) => {
            stream
                .write_all(head(reply, *framing, date).as_bytes())
                .await?;
            let part = &body[..body.len().min(*after)];
            if *framing == Framing::Chunked {
                // The chunk announces all of the body, so that the cut goes through its midst.
                let size = format!("{:x}\r\n", body.len());
                stream.write_all(size.as_bytes()).await?;
            }
            stream.write_all(part).await?;
        }
        Some(Fault::Reset { after }) => {
            start(stream, reply, *after, date).await?;
            stream.set_zero_linger()?;
            return Ok(false);
        }
        Some(Fault::Hang { after }) => {
            start(stream, reply, *after, date).await?;
            // Until the client gives up.
            let mut ignored = [0; 64];
            while stream.read(&mut ignored).await? > 0 {}
        }
    }
    stream.shutdown().await?;
    Ok(false)
}

async fn start(
    stream: &mut TcpStream,
    reply: &Reply,
    after: Option<usize>,
    date: SystemTime,
) -> io::Result<()> {
    let Some(after) = after else { return Ok(()) };
    stream
        .write_all(head(reply, Framing::Length, date).as_bytes())
        .await?;
    stream
        .write_all(&reply.body[..reply.body.len().min(after)])
        .await?;
    stream.flush().await
}

fn head(reply: &Reply, framing: Framing, date: SystemTime) -> String {
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    // An answer from a cache has a date of its own.
    if !reply.headers.iter().any(|(name, _)| name == "date") {
        head.push_str(&format!("date: {}\r\n", httpdate::fmt_http_date(date)));
    }
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&match framing {
        Framing::Length => format!("content-length: {}\r\n", reply.body.len()),
        Framing::TooLong => format!("content-length: {}\r\n", reply.body.len() + 3),
        Framing::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
        Framing::Close => "connection: close\r\n".to_owned(),
    });
    head.push_str("\r\n");
    head
}
