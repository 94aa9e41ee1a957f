//! What metha has on its disk, as sources and as records: without a request to a repository.
//!
//! metha keeps each endpoint in a folder whose name is `SET#FORMAT#URL` in base64. The files in it are the answers to
//! ListRecords, one for each page, in order by name.
//!
//! Source: `Dir` and `runInterval` in metha's `harvest.go`, `Response` in its `response.go`.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::MultiGzDecoder;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::starter::{StarterSource, make_names_differ, name_of_url};
use crate::clock::Clock;
use crate::http::{Exchange, Fault, Times, Turn};
use crate::oai::client::{Answer, Transport};
use crate::oai::error::FetchError;
use crate::oai::{Datestamp, Request};

/// The largest file, unpacked.
const MAX_BYTES: u64 = 1 << 30;

/// An endpoint that metha has harvested.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// It as a source.
    pub(super) source: StarterSource,
    /// Its files, in the order of the pages.
    pub(super) files: Vec<PathBuf>,
}

/// The endpoints in a folder of metha: in `METHA_DIR`, or in the folder of one endpoint.
///
/// # Errors
/// If the folder cannot be read, or has none.
pub(super) fn endpoints(folder: &Path) -> anyhow::Result<Vec<Endpoint>> {
    let mut found: Vec<Endpoint> = endpoint(folder)?.into_iter().collect();
    if found.is_empty() {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("reading the folder {}", folder.display()))?;
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        folders.retain(|path| path.is_dir());
        folders.sort();
        for folder in &folders {
            found.extend(endpoint(folder)?);
        }
    }
    if found.is_empty() {
        anyhow::bail!("{} has no endpoint of metha", folder.display());
    }
    let mut sources: Vec<StarterSource> = found.iter().map(|one| one.source.clone()).collect();
    make_names_differ(&mut sources);
    for (endpoint, source) in found.iter_mut().zip(sources) {
        endpoint.source = source;
    }
    Ok(found)
}

/// The endpoint of a folder; `None` if its name is not one of metha's.
fn endpoint(folder: &Path) -> anyhow::Result<Option<Endpoint>> {
    let name = folder
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let Some((set, format, url)) = parts(name) else {
        return Ok(None);
    };
    let mut source = StarterSource {
        name: name_of_url(&url),
        ..StarterSource::default()
    };
    source.text("url", url.as_str());
    source.text("metadata_prefix", &format);
    if !set.is_empty() {
        source.texts("sets", std::slice::from_ref(&set));
    }
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        name.ends_with(".xml.gz") || name.ends_with(".xml")
    });
    files.sort();
    source
        .comments
        .push(format!("{} files of metha", files.len()));
    Ok(Some(Endpoint { source, files }))
}

/// Set, format and base URL by the name of a folder.
fn parts(name: &str) -> Option<(String, String, url::Url)> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(name).ok()?).ok()?;
    let (set, rest) = text.split_once('#')?;
    let (format, url) = rest.split_once('#')?;
    let url = url::Url::parse(url).ok().filter(|url| url.has_host())?;
    Some((set.to_owned(), format.to_owned(), url))
}

/// A repository that answers from the files of an endpoint.
pub(super) struct Files {
    pages: Vec<PathBuf>,
    clock: Clock,
}

impl Files {
    /// The repository of these files. Empty files are no pages.
    pub(super) fn new(pages: Vec<PathBuf>, clock: Clock) -> Self {
        Self { pages, clock }
    }

    fn document(&self, number: usize) -> Result<String, String> {
        let path = &self.pages[number];
        let fault = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = read(path).map_err(|error| fault(&error))?;
        let records = records(&text).map_err(|error| fault(&error))?;
        let next = number + 1;
        let token = match next < self.pages.len() {
            true => format!("<resumptionToken>{next}</resumptionToken>"),
            false => String::new(),
        };
        Ok(self.frame(&format!("<ListRecords>{records}{token}</ListRecords>")))
    }

    fn frame(&self, content: &str) -> String {
        let now = Datestamp::from_unix(self.clock.now_seconds());
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <OAI-PMH xmlns=\"http://www.openarchives.org/OAI/2.0/\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
             <responseDate>{now}</responseDate><request>metha</request>{content}</OAI-PMH>"
        )
    }

    fn answer(&self, request: &Request) -> Result<String, String> {
        match request {
            Request::ListRecords(_) if self.pages.is_empty() => {
                Ok(self.frame("<error code=\"noRecordsMatch\"/>"))
            }
            Request::ListRecords(_) => self.document(0),
            Request::Resume { token, .. } => {
                let number: usize = token
                    .as_str()
                    .parse()
                    .map_err(|_| "a wrong token".to_owned())?;
                self.document(number)
            }
            Request::Identify => Ok(self.frame(
                "<Identify><repositoryName>metha</repositoryName><baseURL>metha</baseURL>\
                 <protocolVersion>2.0</protocolVersion><adminEmail>metha</adminEmail>\
                 <earliestDatestamp>1970-01-01T00:00:00Z</earliestDatestamp>\
                 <deletedRecord>transient</deletedRecord>\
                 <granularity>YYYY-MM-DDThh:mm:ssZ</granularity></Identify>",
            )),
            _ => Ok(self.frame("<error code=\"badVerb\"/>")),
        }
    }
}

impl Transport for Files {
    async fn send(&self, request: &Request) -> Result<Answer, FetchError> {
        let body = self.answer(request).map_err(|why| FetchError::Retry {
            fault: Fault::Cut(why),
            retry_after: None,
            exchange: Box::new(Exchange::default()),
        })?;
        Ok(Answer {
            wire_bytes: body.len() as u64,
            body: body.into_bytes(),
            status: 200,
            content_type: None,
            charset: None,
            date: None,
            moved_to: None,
            times: Times::default(),
            unclean_end: None,
            turn: Turn::default(),
        })
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let file = std::fs::File::open(path)?;
    let mut text = String::new();
    if path.extension().is_some_and(|end| end == "gz") {
        MultiGzDecoder::new(file)
            .take(MAX_BYTES)
            .read_to_string(&mut text)?;
    } else {
        file.take(MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok(text)
}

/// The elements `record` of a file, as text. Their own root element is metha's, not that of OAI-PMH.
fn records(text: &str) -> Result<&str, quick_xml::Error> {
    let mut reader = Reader::from_str(text);
    let (mut depth, mut start, mut end) = (0_usize, None, None);
    loop {
        let before = usize::try_from(reader.buffer_position()).unwrap_or_default();
        let event = reader.read_event()?;
        let after = usize::try_from(reader.buffer_position()).unwrap_or_default();
        match event {
            Event::Start(element) => {
                let name = element.local_name();
                match (depth, name.as_ref()) {
                    (1, "ListRecords") => start = Some(after),
                    (2, "record") => {}
                    // The token ends the records.
                    (2, _) if start.is_some() => end = end.or(Some(before)),
                    _ => {}
                }
                depth += 1;
            }
            Event::Empty(_) if depth == 2 && start.is_some() => end = end.or(Some(before)),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if let (1, Some(start)) = (depth, start) {
                    return Ok(&text[start..end.unwrap_or(before)]);
                }
            }
            Event::Eof => return Ok(""),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_their_endpoint() {
        let name = URL_SAFE_NO_PAD.encode("journal:a#oai_dc#https://x.org/index.php/j/oai");
        let (set, format, url) = parts(&name).unwrap();
        assert_eq!((set.as_str(), format.as_str()), ("journal:a", "oai_dc"));
        assert_eq!(url.as_str(), "https://x.org/index.php/j/oai");
        // The example of metha's own README.
        let (set, format, url) = parts("I29haV9kYyNodHRwOi8vZXhwb3J0LmFyeGl2Lm9yZy9vYWky").unwrap();
        assert_eq!((set.as_str(), format.as_str()), ("", "oai_dc"));
        assert_eq!(url.as_str(), "http://export.arxiv.org/oai2");
        for name in ["", "feeds", "I29haV9kYw", "äö"] {
            assert!(parts(name).is_none(), "{name}");
        }
    }

    #[test]
    fn records_are_cut_out_as_they_are() {
        let record = "<record xmlns=\"http://www.openarchives.org/OAI/2.0/\"><header status=\"\">\
                      <identifier>a</identifier></header><metadata><record xmlns=\"m\"><x/></record>\
                      </metadata></record>";
        let token = "<resumptionToken completeListSize=\"\" cursor=\"\">t</resumptionToken>";
        let cases = [
            (
                "pages with a token",
                format!("{record}{record}{token}"),
                format!("{record}{record}"),
            ),
            (
                "an empty token",
                format!("{record}<resumptionToken/>"),
                record.to_owned(),
            ),
            ("no token", record.to_owned(), record.to_owned()),
            ("nothing", token.to_owned(), String::new()),
        ];
        for (case, list, expected) in cases {
            let file = format!(
                "<Response><responseDate>d</responseDate><error code=\"\"></error>\
                 <Identify></Identify><ListRecords>{list}</ListRecords><ListSets></ListSets></Response>"
            );
            assert_eq!(records(&file).unwrap(), expected, "{case}");
        }
        assert_eq!(records("<Response></Response>").unwrap(), "");
    }
}
