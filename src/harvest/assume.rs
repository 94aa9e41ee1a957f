//! Traits of a repository that the configuration sets. They win over learnt traits.

use std::fmt;

use crate::store::Traits;

/// One configured trait of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assumption {
    /// `ignores_dates`: `from` and `until` have no effect.
    IgnoresDates(bool),
    /// `ignores_sets`: `set` has no effect.
    IgnoresSets(bool),
    /// `list_size_lies`: `completeListSize` is not to be believed.
    ListSizeLies(bool),
    /// `decodes_tokens`: tokens are percent-decoded before they are sent.
    DecodesTokens(bool),
    /// `wants_prefix_with_token`: `metadataPrefix` goes with every token.
    WantsPrefixWithToken(bool),
    /// `tokens_name_items`: tokens stay valid however long a pass is interrupted.
    TokensNameItems(bool),
    /// `cut_off_at`: lists are cut off at this many items; `None` if no list is cut off.
    CutOffAt(Option<u64>),
}

impl Assumption {
    /// The names of the traits.
    const NAMES: [&'static str; 7] = [
        "ignores_dates",
        "ignores_sets",
        "list_size_lies",
        "decodes_tokens",
        "wants_prefix_with_token",
        "tokens_name_items",
        "cut_off_at",
    ];

    /// Reads `trait=yes`, `trait=no`, or for `cut_off_at` a number or `no`.
    ///
    /// # Errors
    /// A message for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text
            .split_once('=')
            .map(|(name, value)| (name.trim(), value.trim()))
            .ok_or_else(|| format!("{text:?} is not of the form trait=yes or trait=no"))?;
        let truth = || match value {
            "yes" => Ok(true),
            "no" => Ok(false),
            _ => Err(format!("{name} is yes or no, not {value:?}")),
        };
        Ok(match name {
            "ignores_dates" => Self::IgnoresDates(truth()?),
            "ignores_sets" => Self::IgnoresSets(truth()?),
            "list_size_lies" => Self::ListSizeLies(truth()?),
            "decodes_tokens" => Self::DecodesTokens(truth()?),
            "wants_prefix_with_token" => Self::WantsPrefixWithToken(truth()?),
            "tokens_name_items" => Self::TokensNameItems(truth()?),
            "cut_off_at" if value == "no" => Self::CutOffAt(None),
            "cut_off_at" => match value.parse() {
                Ok(items @ 1..) => Self::CutOffAt(Some(items)),
                _ => return Err(format!("{name} is a number of items or no, not {value:?}")),
            },
            _ => {
                let names = Self::NAMES.join(", ");
                return Err(format!("{name:?} is no trait; there are {names}"));
            }
        })
    }

    fn apply(self, traits: &mut Traits) {
        match self {
            Self::IgnoresDates(ignores) => traits.ignores_dates = ignores,
            Self::IgnoresSets(ignores) => traits.ignores_sets = Some(ignores),
            Self::ListSizeLies(lies) => traits.list_size_lies = lies,
            Self::DecodesTokens(decodes) => traits.decodes_tokens = decodes,
            Self::WantsPrefixWithToken(wants) => traits.wants_prefix_with_token = wants,
            Self::TokensNameItems(names) => {
                traits.tokens_name_items = Some(names);
                traits.tokens_name_datestamps = false;
            }
            Self::CutOffAt(items) => {
                traits.cut_off_at = items;
                // Then a round number of items raises no doubt.
                traits.whole_at = items.is_none().then_some(u64::MAX);
            }
        }
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, truth) = match *self {
            Self::IgnoresDates(truth) => ("ignores_dates", truth),
            Self::IgnoresSets(truth) => ("ignores_sets", truth),
            Self::ListSizeLies(truth) => ("list_size_lies", truth),
            Self::DecodesTokens(truth) => ("decodes_tokens", truth),
            Self::WantsPrefixWithToken(truth) => ("wants_prefix_with_token", truth),
            Self::TokensNameItems(truth) => ("tokens_name_items", truth),
            Self::CutOffAt(Some(items)) => return write!(f, "cut_off_at={items}"),
            Self::CutOffAt(None) => ("cut_off_at", false),
        };
        write!(f, "{name}={}", if truth { "yes" } else { "no" })
    }
}

/// Replaces learnt traits by configured ones.
pub(super) fn apply(assumptions: &[Assumption], traits: &mut Traits) {
    for assumption in assumptions {
        assumption.apply(traits);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assumptions_win_over_learnt_traits() {
        let learnt = || Traits {
            ignores_dates: true,
            ignores_sets: None,
            list_size_lies: true,
            decodes_tokens: false,
            wants_prefix_with_token: true,
            tokens_name_items: Some(false),
            cut_off_at: Some(100),
            ..Traits::default()
        };
        let texts = [
            "ignores_dates=no",
            "ignores_sets = yes",
            "list_size_lies=no",
            "decodes_tokens=yes",
            "wants_prefix_with_token=no",
            "tokens_name_items=yes",
            "cut_off_at=no",
        ];
        let assumptions: Vec<Assumption> = texts
            .iter()
            .map(|text| Assumption::parse(text).unwrap())
            .collect();
        assert_eq!(texts.len(), Assumption::NAMES.len());
        for (assumption, text) in assumptions.iter().zip(texts) {
            assert_eq!(assumption.to_string(), text.replace(' ', ""));
        }
        let mut traits = learnt();
        apply(&assumptions, &mut traits);
        let expected = Traits {
            ignores_dates: false,
            ignores_sets: Some(true),
            list_size_lies: false,
            decodes_tokens: true,
            wants_prefix_with_token: false,
            tokens_name_items: Some(true),
            cut_off_at: None,
            whole_at: Some(u64::MAX),
            ..Traits::default()
        };
        assert_eq!(traits, expected);
        let mut traits = learnt();
        apply(&[Assumption::parse("cut_off_at=250").unwrap()], &mut traits);
        assert_eq!((traits.cut_off_at, traits.whole_at), (Some(250), None));
    }

    #[test]
    fn wrong_assumptions_are_rejected() {
        for (text, words) in [
            ("ignores_dates", "not of the form"),
            ("ignores_dates=maybe", "yes or no"),
            ("cut_off_at=0", "a number of items"),
            ("ignores_day=yes", "there are ignores_dates, ignores_sets"),
        ] {
            let message = Assumption::parse(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
    }
}
