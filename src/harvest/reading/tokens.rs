//! Whether a page of a list was lost on the way, by its resumption tokens.

use percent_encoding::percent_decode_str;

use crate::oai::ResumptionToken;

/// The resumption tokens of one list.
///
/// If each page has the same token, the repository itself keeps the place. A request that is repeated
/// after its answer was lost then brings the following page, and nothing in that page says so.
#[derive(Debug, Default)]
pub(in crate::harvest) struct Tokens {
    /// The token that the next page answers, as the list had it; `None` before the first page.
    sent: Option<ResumptionToken>,
    /// Tokens have changed from page to page, so that a token names its page.
    differ: bool,
    /// A page may have been lost on the way to us.
    doubtful: bool,
}

impl Tokens {
    /// The tokens of a list that goes on at `sent`, or begins. `asked_already` if the next page may
    /// have been requested before.
    pub(super) fn from(sent: Option<ResumptionToken>, asked_already: bool) -> Self {
        Self {
            doubtful: sent.is_some() && asked_already,
            sent,
            differ: false,
        }
    }

    /// The token that the next page answers.
    pub(in crate::harvest) fn sent(&self) -> Option<&ResumptionToken> {
        self.sent.as_ref()
    }

    /// Takes up a page with this token. `asked_again` if the page was requested more than once. Gives
    /// whether a page before it may have been lost.
    pub(in crate::harvest) fn add_page(
        &mut self,
        token: Option<&ResumptionToken>,
        asked_again: bool,
    ) -> bool {
        let Some(sent) = std::mem::replace(&mut self.sent, token.cloned()) else {
            return false;
        };
        self.doubtful |= asked_again;
        let same = token == Some(&sent);
        self.differ |= token.is_some() && !same;
        self.doubtful && same
    }

    /// Notes an error in place of a page. `asked_again` if the page was requested more than once: the first request
    /// may have brought it.
    pub(super) fn add_error(&mut self, asked_again: bool) {
        self.doubtful |= asked_again;
    }

    /// Whether a list that has ended may lack a page. Its count can still show that it does not.
    pub(in crate::harvest) fn may_lack_a_page(&self) -> bool {
        self.doubtful && !self.differ
    }
}

/// The token of the next page, if a page has it only as an attribute of `<request>`.
///
/// That attribute repeats the token that was sent. Some repositories change its writing, so another
/// text may still be the same token; it leads nowhere then.
pub(in crate::harvest) fn in_request(
    echoed: Option<&str>,
    sent: Option<&ResumptionToken>,
) -> Option<ResumptionToken> {
    let echoed = ResumptionToken::new(echoed?)?;
    let is_same = sent.is_some_and(|sent| {
        let (one, other) = (plain(sent.as_str()), plain(echoed.as_str()));
        one.starts_with(&other)
    });
    (!is_same).then_some(echoed)
}

/// Whether a page answers a request with another token than the one that was sent, by its `<request>`.
///
/// A token in `<request>` that leads on is not the one that was sent either. Asked again, the repository
/// shows which it is.
pub(in crate::harvest) fn names_another(
    echoed: Option<&str>,
    sent: Option<&ResumptionToken>,
) -> bool {
    sent.is_some() && in_request(echoed, sent).is_some()
}

/// A token without escapes and white space.
fn plain(token: &str) -> String {
    let once = percent_decode_str(token).decode_utf8_lossy();
    let twice = percent_decode_str(&once).decode_utf8_lossy();
    let is_blank = |c: char| c.is_whitespace() || c == '+';
    twice.chars().filter(|c| !is_blank(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_request_counts_if_it_was_not_sent() {
        let cases = [
            (Some("o20"), None, Some("o20")),
            (Some("o40"), Some("o20"), Some("o40")),
            (Some("o20"), Some("o20"), None),
            (Some("a b/c"), Some("a+b%2Fc"), None),
            (Some("long"), Some("long-and-cut"), None),
            (Some(" "), None, None),
            (None, Some("o20"), None),
        ];
        for (echoed, sent, expected) in cases {
            let sent = sent.and_then(ResumptionToken::new);
            let found = in_request(echoed, sent.as_ref());
            let found = found.as_ref().map(ResumptionToken::as_str);
            assert_eq!(found, expected, "{echoed:?} {sent:?}");
            let other = sent.is_some() && expected.is_some();
            assert_eq!(names_another(echoed, sent.as_ref()), other, "{echoed:?}");
        }
    }

    #[test]
    fn a_page_is_lost_only_where_the_repository_keeps_the_place() {
        // Pages as their tokens, those asked for again in capitals, `-` and `!` for none, and `x` for an error in
        // answer to a repeated request; then whether a page may be lost, and whether the end may lack one.
        let cases = [
            ("a a -", false, false),
            ("A a -", false, false),
            ("a A -", true, true),
            ("a b C -", false, false),
            ("a !", false, true),
            ("a b !", false, false),
            ("!", false, false),
            ("a a x", false, true),
            ("a b x", false, false),
        ];
        for (pages, lost, lacks) in cases {
            let mut tokens = Tokens::from(None, false);
            let mut any_lost = false;
            for page in pages.split(' ') {
                if page == "x" {
                    tokens.add_error(true);
                    continue;
                }
                let text = page.to_lowercase();
                let token = ResumptionToken::new(&text).filter(|_| !"-!".contains(page));
                any_lost |= tokens.add_page(token.as_ref(), page == "!" || page != text);
            }
            assert_eq!(
                (any_lost, tokens.may_lack_a_page()),
                (lost, lacks),
                "{pages}"
            );
        }
        let mut resumed = Tokens::from(ResumptionToken::new("a"), true);
        assert!(resumed.add_page(ResumptionToken::new("a").as_ref(), false));
    }
}
