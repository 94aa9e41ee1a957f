//! Cuts an element out of a page as a document of its own.

use memchr::memmem;

use super::chars::is_name;
use super::names::Binding;
use super::scan::{Fault, Scanner};

/// The namespace declarations in scope before an element is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope {
    /// Their number.
    bindings: usize,
}

/// An element that can be a document of its own.
pub(super) struct Fragment<'t> {
    /// `<` and the name of the element.
    head: &'t str,
    /// The declarations that it inherits and needs.
    inherited: Vec<Binding<'t>>,
    /// The rest.
    tail: &'t str,
}

impl Fragment<'_> {
    /// The size of its text, or a little more.
    pub(super) fn bytes(&self) -> usize {
        let declaration =
            |binding: &Binding<'_>| " xmlns:=''".len() + binding.prefix.len() + binding.uri.len();
        let inherited: usize = self.inherited.iter().map(declaration).sum();
        self.head.len() + inherited + self.tail.len()
    }

    /// Its text.
    pub(super) fn into_text(self) -> String {
        let mut text = String::with_capacity(self.bytes());
        text.push_str(self.head);
        for binding in &self.inherited {
            push_declaration(&mut text, binding);
        }
        text.push_str(self.tail);
        text
    }
}

impl<'t> Scanner<'t> {
    /// The scope of the next element. Call it before the start tag of an element that may be
    /// [cut](Self::cut).
    pub(super) fn scope(&mut self) -> Scope {
        self.era = self.era.wrapping_add(1);
        Scope {
            bindings: self.bindings.len(),
        }
    }

    /// Reads the element whose start tag was read last to its end. Its text is as written, plus the
    /// declarations that it inherits and needs, after its name.
    ///
    /// It needs those that resolve its names, and each prefix before a colon in its text, since
    /// attribute values such as that of `xsi:type` contain prefixes too.
    pub(super) fn cut(&mut self, scope: Scope) -> Result<Fragment<'t>, Fault> {
        let Some(open) = self.top() else {
            return Err(Fault::End);
        };
        let inherited = self.inherited(scope);
        let era = self.era;
        self.skip()?;
        let fragment = &self.text[open.start..self.position];
        let (head, tail) = fragment.split_at(1 + open.name.text.len());
        let inherited = inherited.into_iter().map(|index| self.bindings[index]);
        Ok(Fragment {
            head,
            inherited: inherited
                .filter(|binding| is_needed(binding, era, fragment))
                .collect(),
            tail,
        })
    }

    /// The bindings in scope that the start tag does not declare again.
    fn inherited(&self, scope: Scope) -> Vec<usize> {
        let hidden = |index: &usize| {
            let prefix = self.bindings[*index].prefix;
            self.bindings[index + 1..]
                .iter()
                .any(|later| later.prefix == prefix)
        };
        (0..scope.bindings).filter(|index| !hidden(index)).collect()
    }
}

fn is_needed(binding: &Binding<'_>, era: u32, fragment: &str) -> bool {
    if binding.uri.is_empty() {
        return false;
    }
    binding.used == era
        || (!binding.well_known && !binding.prefix.is_empty() && mentions(fragment, binding.prefix))
}

/// Whether `prefix` occurs before a colon.
fn mentions(fragment: &str, prefix: &str) -> bool {
    let bytes = fragment.as_bytes();
    memmem::find_iter(bytes, prefix).any(|at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        bytes.get(at + prefix.len()) == Some(&b':') && !before.is_some_and(|byte| is_name(*byte))
    })
}

fn push_declaration(cut: &mut String, binding: &Binding<'_>) {
    // The value cannot contain the kind of quotes that enclosed it.
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
