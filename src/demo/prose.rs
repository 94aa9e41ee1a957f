//! Titles and abstracts made of a vocabulary's words.

use fastrand::Rng;

use super::vocabulary::{Language, Vocabulary};

/// Writes text about some topics in one language.
pub(super) struct Writer<'a> {
    pub(super) language: Language,
    pub(super) words: &'static Vocabulary,
    pub(super) topics: &'a [&'a str],
}

impl Writer<'_> {
    pub(super) fn title(&self, rng: &mut Rng) -> String {
        let mut out = String::new();
        let words = rng.usize(6..16);
        self.clause(&mut out, words, rng);
        match rng.u8(..6) {
            0 => out.push('?'),
            1 => out.push('.'),
            _ => {}
        }
        out
    }

    /// An abstract of about `bytes` bytes once written as XML; some with headings in HTML, some
    /// with the carriage returns of another system.
    pub(super) fn abstract_text(&self, rng: &mut Rng, bytes: usize) -> String {
        const PARTS: [&str; 4] = ["Objective", "Methods", "Results", "Conclusions"];
        let layout = rng.u8(..12);
        let mut out = String::with_capacity(bytes + 200);
        // Bytes that escaping adds.
        let mut added = 0;
        let mut part = 0;
        while out.len() + added < bytes {
            let due = (out.len() + added) * PARTS.len() / bytes;
            if layout < 4 && part <= due && part < PARTS.len() {
                out.push_str(&format!("<h4>{}</h4>", PARTS[part]));
                added += 12;
                part += 1;
            } else if layout == 4 && !out.is_empty() {
                out.push_str("\r\n");
                added += 4;
            } else if !out.is_empty() {
                out.push_str(self.language.blank());
            }
            let words = rng.usize(10..28);
            self.clause(&mut out, words, rng);
            match rng.u8(..10) {
                0 => {
                    out.push_str(&format!(" (p < 0.{:03})", rng.u16(1..100)));
                    added += 3;
                }
                1 => out.push_str(&format!(" (n = {})", rng.u16(10..2_000))),
                2 => out.push_str(&format!(" ({}.{}%)", rng.u8(1..100), rng.u8(..10))),
                _ => {}
            }
            out.push_str(self.language.stop());
        }
        let end = bytes.saturating_sub(added).max(1);
        let boundary = (0..=end).rev().find(|at| out.is_char_boundary(*at));
        out.truncate(boundary.unwrap_or(0));
        out
    }

    /// A clause of so many words: a third function words, a sixth about the topics.
    fn clause(&self, out: &mut String, words: usize, rng: &mut Rng) {
        let mut function_before = true;
        for place in 0..words {
            let chance = rng.u8(..100);
            let word = match chance {
                0..45 if !function_before => self.words.function(rng),
                45..61 => self.topics[rng.usize(..self.topics.len()).min(rng.usize(..60))],
                _ => self.words.content(rng),
            };
            function_before = chance < 45 && !function_before;
            if place == 0 {
                out.push_str(&capital(word));
                continue;
            }
            if chance >= 96 && place > 2 {
                out.push(',');
            }
            out.push_str(self.language.blank());
            out.push_str(word);
        }
    }
}

/// `word` with its first letter in upper case.
pub(super) fn capital(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
