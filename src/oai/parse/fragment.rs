//! How an element is cut from a page so that it stands as a document of its own.

use memchr::memmem;

use super::chars::is_name;
use super::names::Binding;
use super::scan::{Fault, Scanner};

/// The namespace declarations around an element that has not been read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    /// How many were in scope.
    bindings: usize,
}

impl<'t> Scanner<'t> {
    /// Call before the start tag of an element that may be [cut](Self::cut) is read.
    pub(super) fn surroundings(&mut self) -> Surroundings {
        self.era = self.era.wrapping_add(1);
        Surroundings {
            bindings: self.bindings.len(),
        }
    }

    /// Cuts the element whose start tag was read last: byte for byte as written, with the
    /// declarations that it inherits and needs put behind its name. It is no longer open then.
    ///
    /// Needed is what a name in the element was resolved with, and each prefix that occurs in
    /// front of a colon, since values of attributes such as `xsi:type` hold prefixes too.
    pub(super) fn cut(&mut self, around: Surroundings) -> Result<String, Fault> {
        let Some(open) = self.top() else {
            return Err(Fault::End);
        };
        let inherited = self.inherited(around);
        let era = self.era;
        self.skip()?;
        let fragment = &self.text[open.start..self.position];
        let (head, tail) = fragment.split_at(1 + open.name.text.len());
        let mut cut = String::with_capacity(fragment.len() + 96);
        cut.push_str(head);
        for index in inherited {
            let binding = self.bindings[index];
            if is_needed(&binding, era, fragment) {
                push_declaration(&mut cut, &binding);
            }
        }
        cut.push_str(tail);
        Ok(cut)
    }

    /// The bindings around an element that it does not declare anew on its start tag.
    fn inherited(&self, around: Surroundings) -> Vec<usize> {
        let hidden = |index: &usize| {
            let prefix = self.bindings[*index].prefix;
            self.bindings[index + 1..]
                .iter()
                .any(|later| later.prefix == prefix)
        };
        (0..around.bindings)
            .filter(|index| !hidden(index))
            .collect()
    }
}

fn is_needed(binding: &Binding<'_>, era: u32, fragment: &str) -> bool {
    if binding.uri.is_empty() {
        return false;
    }
    binding.used == era
        || (!binding.well_known && !binding.prefix.is_empty() && mentions(fragment, binding.prefix))
}

/// Whether `prefix` occurs in front of a colon.
fn mentions(fragment: &str, prefix: &str) -> bool {
    let bytes = fragment.as_bytes();
    memmem::find_iter(bytes, prefix).any(|at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        bytes.get(at + prefix.len()) == Some(&b':') && !before.is_some_and(|byte| is_name(*byte))
    })
}

fn push_declaration(cut: &mut String, binding: &Binding<'_>) {
    // As written, the value cannot hold the quotes that it stood in.
    let quote = if binding.uri.contains('"') { '\'' } else { '"' };
    cut.push_str(" xmlns");
    if !binding.prefix.is_empty() {
        cut.push(':');
        cut.push_str(binding.prefix);
    }
    cut.push('=');
    cut.push(quote);
    cut.push_str(binding.uri);
    cut.push(quote);
}
