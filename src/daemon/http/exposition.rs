//! The text format of Prometheus, version 0.0.4: families of metrics and their samples.

use std::fmt::Write as _;

/// The media type of the format.
pub(super) const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The kind of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// A value that rises and falls.
    Gauge,
    /// A sum that only rises, from 0 at the start of the process.
    Counter,
}

/// Labels of one sample: names and values.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

/// A text of metrics in the making.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// One metric whose samples are added.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Exposition {
    /// Begins a metric. All its samples are added before the next metric begins, as the format asks.
    pub(super) fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// Adds a metric that has one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: Kind, help: &str, value: f64) {
        self.family(name, kind, help).sample(&[], value);
    }

    /// The whole text.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds one sample.
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: f64) {
        self.text.push_str(self.name);
        let mut separator = '{';
        for (label, text) in labels {
            let escaped = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.text, "{separator}{label}=\"{escaped}\"");
            separator = ',';
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        let mut text = Exposition::default();
        let mut family = text.family("m", Kind::Gauge, "Help.");
        family.sample(&[("a", "x\"y\\z\nw"), ("b", "c")], 1.5);
        family.sample(&[], 3.0);
        assert_eq!(
            text.finish(),
            "# HELP m Help.\n# TYPE m gauge\nm{a=\"x\\\"y\\\\z\\nw\",b=\"c\"} 1.5\nm 3\n"
        );
    }
}
