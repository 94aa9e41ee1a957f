//! Resumption tokens. A token carries the state of its list and is signed, so the server keeps nothing.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::{ErrorCode, OaiError};
use crate::oai::request::Verb;
use crate::store::{ServingState, Version};

/// The bytes of a signature.
const SIGNATURE_BYTES: usize = 16;

/// The longest token that is looked at. Ours are shorter, whatever the set.
const MAX_BYTES: usize = 16 << 10;

/// The place in a list where the next page begins, and what the list selects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    /// The verb of the list.
    #[serde(rename = "v")]
    pub(super) verb: Verb,
    /// The metadata format; empty for ListSets.
    #[serde(rename = "p", default)]
    pub(super) metadata_prefix: String,
    /// The set, as the harvester wrote it.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
    /// The last version that was shown.
    #[serde(rename = "a")]
    pub(super) after: Version,
    /// The last version of the list.
    #[serde(rename = "u")]
    pub(super) upto: Version,
    /// The number of records before the next page.
    #[serde(rename = "n")]
    pub(super) cursor: u64,
    /// The number of records of the list, if it is known.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<u64>,
    /// Tombstones up to here were forgotten when the list began.
    #[serde(rename = "f")]
    pub(super) forgotten: Version,
    /// The settings that the list began with.
    #[serde(rename = "c")]
    pub(super) settings: u64,
    /// The last set that was shown, for ListSets.
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    pub(super) last_set: Option<String>,
}

impl Token {
    /// The token as a text of letters, digits, `-` and `_`.
    pub(super) fn write(&self, state: &ServingState) -> String {
        let mut bytes = vec![0; SIGNATURE_BYTES];
        serde_json::to_writer(&mut bytes, self).expect("a token is plain values");
        let signature = sign(state, &bytes[SIGNATURE_BYTES..]);
        bytes[..SIGNATURE_BYTES].copy_from_slice(&signature);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token of a list of `verb`, and checks that the list can go on.
    ///
    /// # Errors
    /// `badResumptionToken` if it is not a token of this store, of this verb and of these settings, or if
    /// tombstones that the rest of the list would show have been forgotten since the list began.
    pub(super) fn read(
        text: &str,
        verb: Verb,
        settings: u64,
        state: &ServingState,
    ) -> Result<Self, OaiError> {
        let refuse = |message: &str| Err(OaiError::new(ErrorCode::BadResumptionToken, message));
        let token = verified(text, state);
        let Some(token) = token.filter(|token| token.verb == verb) else {
            return refuse("this is not a token of this list; begin the list again");
        };
        if token.settings != settings {
            return refuse("what is served has changed since the list began; begin it again");
        }
        if token.upto > state.newest {
            return refuse("the store is older than this list; begin it again");
        }
        let is_new = state.forgotten > token.forgotten;
        if is_new && state.forgotten > token.after && verb != Verb::ListSets {
            return refuse("deletions of the rest of this list are forgotten; begin it again");
        }
        Ok(token)
    }
}

fn verified(text: &str, state: &ServingState) -> Option<Token> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (signature, content) = bytes.split_at_checked(SIGNATURE_BYTES)?;
    let is_ours: bool = subtle::ConstantTimeEq::ct_eq(signature, &sign(state, content)[..]).into();
    serde_json::from_slice(content).ok().filter(|_| is_ours)
}

fn sign(state: &ServingState, content: &[u8]) -> [u8; SIGNATURE_BYTES] {
    let mut hasher = blake3::Hasher::new_keyed(&state.key);
    hasher.update(&state.store_id).update(content);
    let hash = hasher.finalize();
    hash.as_bytes()[..SIGNATURE_BYTES]
        .try_into()
        .expect("a hash has 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ServingState {
        ServingState {
            store_id: [1; 16],
            key: [2; 32],
            newest: Version(100),
            forgotten: Version(10),
            oldest: None,
            second: 0,
        }
    }

    fn token() -> Token {
        Token {
            verb: Verb::ListRecords,
            metadata_prefix: "oai_dc".into(),
            set: Some("a:b".into()),
            after: Version(40),
            upto: Version(90),
            cursor: 200,
            total: Some(1_000),
            forgotten: Version(10),
            settings: 7,
            last_set: None,
        }
    }

    #[test]
    fn a_token_comes_back() {
        let text = token().write(&state());
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        assert!(text.bytes().all(is_plain), "{text}");
        let read = Token::read(&text, Verb::ListRecords, 7, &state());
        assert_eq!(read, Ok(token()));
    }

    #[test]
    fn tokens_that_cannot_go_on_are_refused() {
        let text = token().write(&state());
        let mut altered = URL_SAFE_NO_PAD.decode(&text).unwrap();
        let at = altered.len() - 3;
        altered[at] ^= 1;
        let altered = URL_SAFE_NO_PAD.encode(altered);
        let (verb, settings) = (Verb::ListRecords, 7);
        let other_store = ServingState {
            store_id: [3; 16],
            ..state()
        };
        let other_key = ServingState {
            key: [3; 32],
            ..state()
        };
        let restored = ServingState {
            newest: Version(89),
            ..state()
        };
        let forgot = |version| ServingState {
            forgotten: Version(version),
            ..state()
        };
        let cases = [
            ("the same", &text, verb, settings, state(), true),
            ("altered", &altered, verb, settings, state(), false),
            (
                "another verb",
                &text,
                Verb::ListIdentifiers,
                settings,
                state(),
                false,
            ),
            ("another store", &text, verb, settings, other_store, false),
            ("another key", &text, verb, settings, other_key, false),
            ("other settings", &text, verb, 8, state(), false),
            (
                "an older copy of the store",
                &text,
                verb,
                settings,
                restored,
                false,
            ),
            (
                "forgotten before the position",
                &text,
                verb,
                settings,
                forgot(40),
                true,
            ),
            (
                "forgotten after the position",
                &text,
                verb,
                settings,
                forgot(41),
                false,
            ),
            ("empty", &String::new(), verb, settings, state(), false),
            ("text", &"abc".to_owned(), verb, settings, state(), false),
            (
                "long",
                &"A".repeat(MAX_BYTES + 1),
                verb,
                settings,
                state(),
                false,
            ),
        ];
        for (case, text, verb, settings, state, good) in cases {
            let read = Token::read(text, verb, settings, &state);
            assert_eq!(read.is_ok(), good, "{case}");
        }
    }

    #[test]
    fn what_was_forgotten_before_the_list_began_stops_no_list() {
        let early = Token {
            after: Version(0),
            ..token()
        };
        let read = Token::read(&early.write(&state()), Verb::ListRecords, 7, &state());
        assert_eq!(read, Ok(early));
    }
}
