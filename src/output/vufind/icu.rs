//! Transliterates texts with ICU4C. The only place with `unsafe` code.
//!
//! ICU's transliteration data (`Any-Latin` with its scripts, the Thai dictionary, Han readings)
//! exist in full in the C library alone. Four of its functions are called; their names carry the
//! library's major version, which `build.rs` finds out.

// `unsafe` is needed to call into C. Each call's obligations are few and stated beside it; nothing
// here hands a pointer out.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

/// `UTransliterator`.
type RawTransliterator = *mut c_void;

/// `UTransDirection::UTRANS_FORWARD`.
const FORWARD: c_int = 0;
/// `U_BUFFER_OVERFLOW_ERROR`. Larger codes than 0 are errors, smaller ones are warnings.
const BUFFER_OVERFLOW: c_int = 15;

unsafe extern "C" {
    #[link_name = concat!("utrans_openU", env!("ICU_SYMBOL_SUFFIX"))]
    fn utrans_open_u(
        id: *const u16,
        id_len: i32,
        direction: c_int,
        rules: *const u16,
        rules_len: i32,
        parse_error: *mut c_void,
        status: *mut c_int,
    ) -> RawTransliterator;

    #[link_name = concat!("utrans_transUChars", env!("ICU_SYMBOL_SUFFIX"))]
    fn utrans_trans_uchars(
        transliterator: *const c_void,
        text: *mut u16,
        text_len: *mut i32,
        text_capacity: i32,
        start: i32,
        limit: *mut i32,
        status: *mut c_int,
    );

    #[link_name = concat!("utrans_toRules", env!("ICU_SYMBOL_SUFFIX"))]
    fn utrans_to_rules(
        transliterator: *const c_void,
        escape_unprintable: i8,
        result: *mut u16,
        result_capacity: i32,
        status: *mut c_int,
    ) -> i32;

    #[link_name = concat!("utrans_close", env!("ICU_SYMBOL_SUFFIX"))]
    fn utrans_close(transliterator: RawTransliterator);
}

/// An error of ICU: a `UErrorCode` above 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IcuError(c_int);

impl fmt::Display for IcuError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ICU error {}", self.0)
    }
}

/// The source of a transliterator.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Recipe<'a> {
    /// The name of a built-in transliterator, such as `Latin-ASCII`.
    Id(&'a str),
    /// Rules in ICU's own language.
    Rules(&'a str),
}

/// An open ICU transliterator. It stays with the thread that opened it: ICU does not promise that
/// one object may be used by two at once.
pub(crate) struct Transliterator {
    raw: NonNull<c_void>,
    buffer: Vec<u16>,
    /// Neither `Send` nor `Sync`.
    of_one_thread: PhantomData<*mut c_void>,
}

impl Transliterator {
    /// Opens a transliterator; takes milliseconds for rules, so keep it.
    ///
    /// # Errors
    /// ICU's error code, when it lacks the data or cannot read the rules.
    pub(crate) fn open(recipe: Recipe<'_>) -> Result<Self, IcuError> {
        let (id, rules) = match recipe {
            Recipe::Id(id) => (id, None),
            Recipe::Rules(rules) => ("harvestd", Some(rules)),
        };
        let id: Vec<u16> = id.encode_utf16().collect();
        let rules: Option<Vec<u16>> = rules.map(|rules| rules.encode_utf16().collect());
        let (rules_ptr, rules_len) = rules
            .as_ref()
            .map_or((ptr::null(), 0), |rules| (rules.as_ptr(), rules.len()));
        let mut status = 0;
        // SAFETY: both texts live until the call returns and are passed with their lengths, which
        // are those of literals in this crate and fit; a null `rules` means a lookup by id; a
        // null `parse_error` is allowed; `status` is a valid place and starts as success.
        let raw = unsafe {
            utrans_open_u(
                id.as_ptr(),
                id.len() as i32,
                FORWARD,
                rules_ptr,
                rules_len as i32,
                ptr::null_mut(),
                &mut status,
            )
        };
        match NonNull::new(raw) {
            Some(raw) if status <= 0 => Ok(Self {
                raw,
                buffer: Vec::new(),
                of_one_thread: PhantomData,
            }),
            _ => Err(IcuError(status)),
        }
    }

    /// Transliterates `text`, which may be of any length up to 2^28 UTF-16 units; longer texts are
    /// an error. Unpaired surrogates cannot arise from a `str`.
    pub(crate) fn apply(&mut self, text: &str) -> Result<String, IcuError> {
        const LONGEST: usize = 1 << 28;
        let mut spare = 64 + text.len() / 2;
        loop {
            self.buffer.clear();
            self.buffer.extend(text.encode_utf16());
            let units = self.buffer.len();
            if units + spare > LONGEST {
                return Err(IcuError(BUFFER_OVERFLOW));
            }
            self.buffer.resize(units + spare, 0);
            let capacity = self.buffer.len() as i32;
            let mut len = units as i32;
            let mut limit = len;
            let mut status = 0;
            // SAFETY: the object is open and only this thread has it (`&mut self`, not `Send`);
            // the buffer is writable for `capacity` units and its first `len` are initialised;
            // the three places outlive the call. The text is `len` units long on return, unless
            // the status says that it did not fit, and then it is thrown away.
            unsafe {
                utrans_trans_uchars(
                    self.raw.as_ptr(),
                    self.buffer.as_mut_ptr(),
                    &mut len,
                    capacity,
                    0,
                    &mut limit,
                    &mut status,
                );
            }
            let len = usize::try_from(len).unwrap_or(0);
            if status == BUFFER_OVERFLOW {
                spare = (spare * 2).max(len.saturating_sub(units) + 64);
                continue;
            }
            if status > 0 {
                return Err(IcuError(status));
            }
            let written = &self.buffer[..len.min(self.buffer.len())];
            return Ok(String::from_utf16_lossy(written));
        }
    }

    /// The rules that the object follows, in ICU's own language, one a line.
    pub(crate) fn rules(&self) -> Result<String, IcuError> {
        let mut rules = vec![0_u16; 1 << 12];
        loop {
            let mut status = 0;
            // SAFETY: the object is open and only this thread has it; the buffer is writable for
            // as many units as is said; `status` is a valid place and starts as success. What does
            // not fit is not written, and the status says so.
            let len = unsafe {
                utrans_to_rules(
                    self.raw.as_ptr(),
                    0,
                    rules.as_mut_ptr(),
                    rules.len() as i32,
                    &mut status,
                )
            };
            let len = usize::try_from(len).unwrap_or(0);
            if status == BUFFER_OVERFLOW && len > rules.len() {
                rules.resize(len, 0);
                continue;
            }
            if status > 0 {
                return Err(IcuError(status));
            }
            return Ok(String::from_utf16_lossy(&rules[..len.min(rules.len())]));
        }
    }
}

impl Drop for Transliterator {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, closed once, here.
        unsafe { utrans_close(self.raw.as_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_its_buffer_for_texts_that_get_longer() {
        let mut latin = Transliterator::open(Recipe::Id("Any-Latin")).unwrap();
        let short = latin.apply("中").unwrap();
        let long = latin.apply(&"中".repeat(5000)).unwrap();
        assert!(long.len() >= 5000 * short.len(), "{} bytes", long.len());
        assert_eq!(latin.apply("").unwrap(), "");
    }

    #[test]
    fn tells_its_rules() {
        let short = Transliterator::open(Recipe::Rules("a > b;")).unwrap();
        assert_eq!(short.rules().unwrap().trim(), "a > b;");
        let long = Transliterator::open(Recipe::Id("Han-Latin")).unwrap();
        assert!(long.rules().unwrap().len() > 100_000);
    }

    #[test]
    fn refuses_what_icu_does_not_know() {
        assert!(Transliterator::open(Recipe::Id("No-Such")).is_err());
        assert!(Transliterator::open(Recipe::Rules(":: nonsense;")).is_err());
    }
}
