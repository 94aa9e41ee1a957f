//! Reads the envelope of an answer, element by element.

use std::borrow::Cow;
use std::ops::Range;

use super::names::OAI;
use super::record::{Draft, Read};
use super::salvage::{Item, find_end};
use super::scan::{Fault, Mode, Open, Scanner, Token, fault};
use super::source::Source;
use super::{Hints, ParseError};
use crate::http::{LINE_CHARS, excerpt};
use crate::oai::request::{ResumptionToken, Verb};
use crate::oai::response::{
    BadItem, Content, List, MAX_RAW_BYTES, OaiError, Paging, RepairKind, RequestEcho, Response,
};
use crate::oai::{Datestamp, Record};

/// The elements of the envelope that this parser looks for.
const ENVELOPE: [&str; 14] = [
    "OAI-PMH",
    "responseDate",
    "request",
    "error",
    "resumptionToken",
    "record",
    "header",
    "metadata",
    "about",
    "identifier",
    "datestamp",
    "setSpec",
    "set",
    "metadataFormat",
];

/// The longest error code and the longest name of an element in a message, in characters.
pub(super) const CODE_CHARS: usize = 100;

const VERBS: [Verb; 6] = [
    Verb::Identify,
    Verb::ListMetadataFormats,
    Verb::ListSets,
    Verb::ListIdentifiers,
    Verb::ListRecords,
    Verb::GetRecord,
];

/// The state of reading one answer.
pub(super) struct Walk<'t> {
    pub(super) scan: Scanner<'t>,
    pub(super) source: &'t Source<'t>,
    /// The parts of the current item that are known if the rest is broken.
    pub(super) draft: Draft,
    hints: Hints<'t>,
    mode: Mode,
    root_namespace: &'t str,
    /// An element of the envelope is in the wrong namespace.
    misplaced: bool,
    /// The name of an element of a list that is neither an item nor anything else of OAI-PMH.
    unknown_item: Option<String>,
    errors: Vec<OaiError>,
    token: Option<ResumptionToken>,
    paging: Paging,
    /// How many bytes further items may take.
    room: usize,
}

/// The most that the text of an element of the envelope can have, in bytes. Metadata is not limited.
const TEXT_BYTES: usize = 1 << 20;

/// Reads a whole answer. [`Fault::Other`] is final; repairs may remove any other fault.
pub(super) fn response<'t>(
    source: &'t Source<'t>,
    hints: &Hints<'t>,
    mode: Mode,
) -> Result<Response, Fault> {
    let mut walk = Walk {
        scan: Scanner::new(&source.text, mode, hints.limits.depth)?,
        source,
        draft: Draft::default(),
        hints: *hints,
        mode,
        root_namespace: "",
        misplaced: false,
        unknown_item: None,
        errors: Vec::new(),
        token: None,
        paging: Paging::default(),
        room: room(source, hints),
    };
    walk.root()?;
    let mut response = walk.answer()?;
    let end = walk.scan.position;
    let trailing = walk.trailing(end)?;
    let mut repairs = source.all_repairs(end);
    repairs.add(RepairKind::TrailingJunk, u64::from(trailing));
    repairs.add(RepairKind::EnvelopeNamespace, u64::from(walk.misplaced));
    repairs.add(RepairKind::UndeclaredPrefix, walk.scan.undeclared);
    response.repairs = repairs.into_repairs();
    Ok(response)
}

/// Whether an element is a resumptionToken. Nothing else has this name in any case of its letters.
fn is_token(name: &str) -> bool {
    name.eq_ignore_ascii_case("resumptionToken")
}

/// How many bytes the items of an answer may take: as much again as the limit of the answer, and once
/// more if the body and its text leave that.
fn room(source: &Source<'_>, hints: &Hints<'_>) -> usize {
    let limit = usize::try_from(hints.limits.bytes).unwrap_or(usize::MAX);
    let taken = source.body.len() + source.owned_bytes();
    let left = limit.saturating_mul(3).saturating_sub(taken);
    left.min(limit.saturating_mul(2))
}

impl<'t> Walk<'t> {
    /// Takes `bytes` from the room for items: declarations that many items inherit, sets without end
    /// and copies of bytes can make them larger than their page.
    pub(super) fn take_room(&mut self, bytes: usize) -> Result<(), Fault> {
        match self.room.checked_sub(bytes) {
            Some(left) => {
                self.room = left;
                Ok(())
            }
            None => Err(Fault::Limit {
                key: "max_inflated_bytes",
                limit: usize::try_from(self.hints.limits.bytes).unwrap_or(usize::MAX),
            }),
        }
    }

    /// Reads up to the root's start tag.
    fn root(&mut self) -> Result<(), Fault> {
        // The scanner returns no token before the root.
        while self.scan.next()? != Token::Start {}
        let Some(root) = self.scan.top() else {
            return Err(Fault::End);
        };
        let namespace = self.scan.namespace(root.name);
        if root.name.local() != "OAI-PMH" {
            // Only a complete document is certainly of another kind.
            self.drain()?;
            return Err(ParseError::NotOai {
                root: self.line(root.name.text, CODE_CHARS),
                namespace: (!namespace.is_empty()).then(|| self.line(namespace, LINE_CHARS)),
            }
            .into());
        }
        self.root_namespace = namespace;
        self.child();
        Ok(())
    }

    /// Reads the children of the root.
    fn answer(&mut self) -> Result<Response, Fault> {
        let mut response_date = None;
        let mut request = RequestEcho::default();
        let mut content = None;
        let mut found = None;
        self.each_child(|walk, name| {
            match name {
                "responseDate" => {
                    response_date = Datestamp::parse(&walk.text()?).map(|(date, _)| date);
                }
                "request" => request = walk.request()?,
                "error" => walk.error()?,
                _ if is_token(name) => walk.resumption_token()?,
                _ if name == walk.hints.verb.name() => {
                    content = Some(walk.content(content.take())?)
                }
                _ => {
                    let open = walk.scan.top();
                    let other = open.map_or("", |open| open.name.text);
                    if found.is_none() || VERBS.iter().any(|verb| verb.name() == name) {
                        found = Some(walk.line(other, CODE_CHARS));
                    }
                    walk.scan.skip()?;
                }
            }
            Ok(())
        })?;
        Ok(Response {
            response_date,
            request,
            content: self.final_content(content, found)?,
            repairs: Vec::new(),
        })
    }

    /// The content of the answer, after everything was read.
    fn final_content(
        &mut self,
        content: Option<Content>,
        found: Option<String>,
    ) -> Result<Content, Fault> {
        if !self.errors.is_empty() {
            let errors = std::mem::take(&mut self.errors);
            return self.final_errors(content.as_ref(), errors);
        }
        let missing = |found| {
            Err(Fault::from(ParseError::MissingElement {
                verb: self.hints.verb,
                found,
            }))
        };
        let Some(mut content) = content else {
            return missing(found);
        };
        // A list of other things is not an empty list.
        if let Some(unknown) = self.unknown_item.take()
            && self.token.is_none()
            && content.is_empty_list()
        {
            let verb = self.hints.verb;
            return missing(Some(format!("{verb} with {unknown} in place of its items")));
        }
        match &mut content {
            Content::Sets(list) => (list.token, list.paging) = self.take_token(),
            Content::Identifiers(list) => (list.token, list.paging) = self.take_token(),
            Content::Records(list) if self.hints.verb == Verb::GetRecord => {
                if !list.items.is_empty() {
                    return Ok(Content::Record(Box::new(list.items.swap_remove(0))));
                }
                return match list.bad.pop() {
                    Some(bad) => Err(ParseError::BadRecord(Box::new(bad)).into()),
                    None => missing(Some("GetRecord without a record".to_owned())),
                };
            }
            Content::Records(list) => (list.token, list.paging) = self.take_token(),
            Content::Identify(_)
            | Content::MetadataFormats(_)
            | Content::Record(_)
            | Content::Errors(_) => {}
        }
        Ok(content)
    }

    /// The content of an answer with errors. Together with a part of a list they are no answer.
    fn final_errors(
        &self,
        content: Option<&Content>,
        errors: Vec<OaiError>,
    ) -> Result<Content, Fault> {
        let items = match content {
            Some(Content::Sets(list)) => list.len(),
            Some(Content::Identifiers(list)) => list.len(),
            Some(Content::Records(list)) if self.hints.verb != Verb::GetRecord => list.len(),
            _ => 0,
        };
        match errors.first() {
            Some(error) if items > 0 || self.token.is_some() => Err(ParseError::BrokenOff {
                items,
                code: error.code.clone(),
                message: error.message.clone(),
            }
            .into()),
            _ => Ok(Content::Errors(errors)),
        }
    }

    fn take_token(&mut self) -> (Option<ResumptionToken>, Paging) {
        (self.token.take(), std::mem::take(&mut self.paging))
    }

    /// Reads the verb's element. A second one is appended to the first, `earlier`.
    fn content(&mut self, earlier: Option<Content>) -> Result<Content, Fault> {
        Ok(match self.hints.verb {
            Verb::Identify => Content::Identify(self.identify()?),
            Verb::ListMetadataFormats => {
                let mut list = empty();
                self.items(&mut list, "metadataFormat", None, Self::format)?;
                let mut formats = match earlier {
                    Some(Content::MetadataFormats(formats)) => formats,
                    _ => Vec::new(),
                };
                formats.append(&mut list.items);
                Content::MetadataFormats(formats)
            }
            Verb::ListSets => {
                let mut list = match earlier {
                    Some(Content::Sets(list)) => list,
                    _ => empty(),
                };
                self.items(&mut list, "set", Some("setSpec"), Self::set)?;
                Content::Sets(list)
            }
            Verb::ListIdentifiers => {
                let mut list = match earlier {
                    Some(Content::Identifiers(list)) => list,
                    _ => empty(),
                };
                self.items(&mut list, "header", Some("identifier"), Self::header)?;
                Content::Identifiers(list)
            }
            Verb::ListRecords | Verb::GetRecord => {
                let mut list: List<Record> = match earlier {
                    Some(Content::Records(list)) => list,
                    _ => empty(),
                };
                self.items(&mut list, "record", Some("header"), Self::record)?;
                Content::Records(list)
            }
        })
    }

    /// Reads the children of a list's element.
    fn items<T>(
        &mut self,
        list: &mut List<T>,
        item: &str,
        first: Option<&'static str>,
        read: fn(&mut Self, Open<'t>) -> Read<T>,
    ) -> Result<(), Fault> {
        let list_name = self.scan.top().map_or("", |open| open.name.text);
        // No place for a token, but one where some repositories write it.
        if let Some(token) = self.scan.attribute("resumptionToken")
            && self.token.is_none()
        {
            self.token = ResumptionToken::new(&token);
        }
        let level = self.scan.level();
        self.each_child(|walk, name| {
            match name {
                _ if name == item => {
                    let Some(open) = walk.scan.top() else {
                        return Err(Fault::End);
                    };
                    if list.len() >= walk.hints.limits.records {
                        return Err(Fault::Limit {
                            key: "max_page_records",
                            limit: walk.hints.limits.records,
                        });
                    }
                    // A list that grows is copied.
                    walk.take_room(2 * size_of::<T>())?;
                    match read(walk, open) {
                        Ok(Ok(item)) => list.items.push(item),
                        Ok(Err(bad)) => list.bad.push(bad),
                        Err(Fault::Malformed { at, what }) if walk.mode == Mode::Salvage => {
                            let broken = Item {
                                name: open.name.text,
                                list: list_name,
                                first,
                            };
                            let Some((end, next)) = find_end(walk.scan.text, open.start, broken)
                            else {
                                return Err(Fault::Malformed { at, what });
                            };
                            let at = walk.source.offset(at);
                            let reason = format!("malformed XML at byte {at} of the page: {what}");
                            list.bad.push(walk.bad_item(open.start..end, reason)?);
                            walk.scan.resume(next, level);
                        }
                        Err(fault) => return Err(fault),
                    }
                }
                "error" => walk.error()?,
                _ if is_token(name) => walk.resumption_token()?,
                // Some repositories answer ListIdentifiers with records that contain only a header.
                "record" if item == "header" => walk.items(list, item, first, read)?,
                _ => {
                    if walk.unknown_item.is_none() {
                        let other = walk.scan.top().map_or("", |open| open.name.text);
                        walk.unknown_item = Some(walk.line(other, CODE_CHARS));
                    }
                    walk.scan.skip()?;
                }
            }
            Ok(())
        })
    }

    /// The bad item in `range` of the text.
    pub(super) fn bad_item(
        &mut self,
        range: Range<usize>,
        reason: String,
    ) -> Result<BadItem, Fault> {
        let raw = self.raw(&range)?;
        let draft = std::mem::take(&mut self.draft);
        Ok(BadItem {
            identifier: draft.identifier,
            datestamp: draft.datestamp,
            reason,
            raw,
        })
    }

    /// The received bytes for `range` of the text, the first [`MAX_RAW_BYTES`] of them.
    pub(super) fn raw(&mut self, range: &Range<usize>) -> Result<Vec<u8>, Fault> {
        let raw = self.source.raw(range);
        let raw = &raw[..raw.len().min(MAX_RAW_BYTES)];
        self.take_room(raw.len())?;
        Ok(raw.to_vec())
    }

    fn request(&mut self) -> Result<RequestEcho, Fault> {
        let mut request = RequestEcho {
            base_url: None,
            verb: self.scan.attribute("verb"),
            metadata_prefix: self.scan.attribute("metadataPrefix"),
            set: self.scan.attribute("set"),
            from: self.scan.attribute("from"),
            until: self.scan.attribute("until"),
            resumption_token: self.scan.attribute("resumptionToken"),
        };
        request.base_url = self.filled_text()?;
        Ok(request)
    }

    /// Reads an `<error>`.
    pub(super) fn error(&mut self) -> Result<(), Fault> {
        let code = self.scan.attribute("code").unwrap_or_default();
        let code = self.line(&code, CODE_CHARS);
        let message = self.filled_line()?.unwrap_or_default();
        self.errors.push(OaiError { code, message });
        Ok(())
    }

    /// Reads a `<resumptionToken>`. Of several, the last one that is not empty counts.
    fn resumption_token(&mut self) -> Result<(), Fault> {
        let number = |name| self.scan.attribute(name)?.parse().ok();
        let paging = Paging {
            complete_list_size: number("completeListSize"),
            cursor: number("cursor"),
            expiration_date: self
                .scan
                .attribute("expirationDate")
                .and_then(|date| Datestamp::parse(&date))
                .map(|(date, _)| date),
        };
        let attribute = ["token", "value", "resumptionToken"]
            .into_iter()
            .find_map(|name| self.scan.attribute(name));
        let start = self.scan.position;
        let text = self.text()?;
        if text.len() >= TEXT_BYTES {
            return fault(start, "a resumption token that no request can carry");
        }
        let token = ResumptionToken::new(&text).or_else(|| ResumptionToken::new(&attribute?));
        if token.is_some() || self.token.is_none() {
            self.token = token;
            self.paging = paging;
        }
        Ok(())
    }

    /// Reads the innermost element to its end, and calls `read` for each child with its
    /// [local name](Self::child). `read` must read the child to its end.
    pub(super) fn each_child(
        &mut self,
        mut read: impl FnMut(&mut Self, &'t str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            match self.scan.next()? {
                Token::Start => {
                    let name = self.child();
                    read(self, name)?;
                }
                Token::End => return Ok(()),
                Token::Eof => return Err(Fault::End),
                Token::Text(_) | Token::CData(_) | Token::Reference(_) => {}
            }
        }
    }

    /// The local name of the element whose start tag was read last; empty if its namespace is not
    /// that of the envelope.
    ///
    /// An element without a namespace, or in the wrong namespace of its root, still counts. The page
    /// then gets a repair.
    pub(super) fn child(&mut self) -> &'t str {
        let Some(open) = self.scan.top() else {
            return "";
        };
        let local = open.name.local();
        let namespace = self.scan.namespace(open.name);
        if namespace == OAI {
            return local;
        }
        if namespace.is_empty() || namespace == self.root_namespace || is_nearly_oai(namespace) {
            let verb = VERBS.iter().any(|verb| verb.name() == local);
            self.misplaced |= verb || ENVELOPE.contains(&local);
            return local;
        }
        ""
    }

    /// Reads the innermost element to its end; its text without markup. A text of more than
    /// [`TEXT_BYTES`] is cut.
    pub(super) fn text(&mut self) -> Result<Cow<'t, str>, Fault> {
        let level = self.scan.level();
        let mut text = Cow::Borrowed("");
        while self.scan.level() >= level {
            match self.scan.next()? {
                Token::Text(_) | Token::CData(_) | Token::Reference(_)
                    if text.len() >= TEXT_BYTES => {}
                Token::Text(part) | Token::CData(part) => {
                    text += beginning(part);
                }
                Token::Reference(c) => text.to_mut().push(c),
                Token::Start | Token::End => {}
                Token::Eof => return Err(Fault::End),
            }
        }
        Ok(text)
    }

    /// As [`text`](Self::text), trimmed; `None` if it is empty.
    pub(super) fn filled_text(&mut self) -> Result<Option<String>, Fault> {
        let text = self.text()?;
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// As [`filled_text`](Self::filled_text), for people: one line without secrets.
    pub(super) fn filled_line(&mut self) -> Result<Option<String>, Fault> {
        let text = self.text()?;
        let line = self.line(&text, LINE_CHARS);
        Ok((!line.is_empty()).then_some(line))
    }

    /// One line of at most `chars` characters without secrets.
    fn line(&self, text: &str, chars: usize) -> String {
        match self.hints.redactor {
            // Before it is cut: a part of a secret would not be recognised.
            Some(redactor) => excerpt(&redactor.text(text), chars),
            None => excerpt(text, chars),
        }
    }

    /// Reads the text after the root, which ended at `end`. `true` if it is junk.
    fn trailing(&mut self, end: usize) -> Result<bool, Fault> {
        match self.drain() {
            Ok(()) => Ok(false),
            Err(Fault::Malformed { .. }) if self.mode == Mode::Lenient => {
                let rest = &self.scan.text[end..];
                // A second answer with an error must not count as the end of the first.
                if rest.contains("OAI-PMH") && rest.contains("<error") {
                    return fault(end, "a second answer with an error follows the first");
                }
                Ok(true)
            }
            Err(Fault::End) if self.mode == Mode::Lenient => Ok(true),
            Err(fault) => Err(fault),
        }
    }

    fn drain(&mut self) -> Result<(), Fault> {
        while self.scan.next()? != Token::Eof {}
        Ok(())
    }
}

/// The first [`TEXT_BYTES`] of a text.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether a namespace is OAI-PMH's except for its scheme, case or closing slash.
fn is_nearly_oai(uri: &str) -> bool {
    let uri = uri.trim();
    let bare = uri
        .strip_prefix("https://")
        .or_else(|| uri.strip_prefix("http://"))
        .unwrap_or(uri);
    bare.trim_end_matches('/')
        .trim_start_matches("www.")
        .eq_ignore_ascii_case("openarchives.org/OAI/2.0")
}

fn empty<T>() -> List<T> {
    List {
        items: Vec::new(),
        bad: Vec::new(),
        token: None,
        paging: Paging::default(),
    }
}
