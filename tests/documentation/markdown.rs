//! The parts of a Markdown page that tests look at: blocks, links and headings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

/// A page of the documentation.
pub struct Page {
    pub path: PathBuf,
    pub text: String,
}

/// A fenced block.
pub struct Block {
    /// What follows the fence, such as `sh`.
    pub language: String,
    /// The number of its first line, from 1.
    pub line: usize,
    pub text: String,
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let path = self.path.strip_prefix(root).unwrap_or(&self.path);
        path.display().fmt(f)
    }
}

impl Page {
    pub fn read(path: &Path) -> Self {
        let text =
            fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let path = path.to_owned();
        Self { path, text }
    }

    /// The fenced blocks, in order.
    pub fn blocks(&self) -> Vec<Block> {
        self.split().1
    }

    /// The targets of links and images outside of blocks, with their lines.
    pub fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (number, line) in self.split().0 {
            // Code in a line has no links.
            let prose: String = line.split('`').step_by(2).collect();
            for rest in prose.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                links.push((number, target.to_owned()));
            }
            for rest in prose.split('<').skip(1) {
                if let Some((target, _)) = rest.split_once('>')
                    && target.contains("://")
                {
                    links.push((number, target.to_owned()));
                }
            }
        }
        links
    }

    /// The anchors that GitHub makes of the headings.
    pub fn anchors(&self) -> BTreeSet<String> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut anchors = BTreeSet::new();
        for (_, line) in self.split().0 {
            let title = line.trim_start_matches('#');
            if title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let kept = title.trim().to_lowercase();
            let kept = kept
                .chars()
                .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            let anchor: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            let count = seen.entry(anchor.clone()).or_default();
            anchors.insert(match *count {
                0 => anchor,
                count => format!("{anchor}-{count}"),
            });
            *count += 1;
        }
        anchors
    }

    /// The numbered lines outside of blocks, and the blocks.
    fn split(&self) -> (Vec<(usize, &str)>, Vec<Block>) {
        let (mut prose, mut blocks) = (Vec::new(), Vec::new());
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    open = Some(Block {
                        language: language.trim().to_owned(),
                        line: index + 2,
                        text: String::new(),
                    });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text.extend([line, "\n"]),
                (None, None) => prose.push((index + 1, line)),
            }
        }
        assert!(open.is_none(), "{self}: a block has no end");
        (prose, blocks)
    }
}

impl Block {
    /// The commands of a `console` block with the output that each shows.
    pub fn dialogue(&self) -> Vec<(String, String)> {
        let mut dialogue: Vec<(String, String)> = Vec::new();
        let mut continues = false;
        for line in self.text.lines() {
            match (line.strip_prefix("$ "), dialogue.last_mut()) {
                (Some(command), _) => dialogue.push((command.to_owned(), String::new())),
                (None, Some((command, _))) if continues => command.extend(["\n", line]),
                (None, Some((_, output))) => output.extend([line, "\n"]),
                (None, None) => panic!("line {}: output without a command", self.line),
            }
            continues = line.ends_with('\\');
        }
        dialogue
    }

    /// The calls of a program in this script, each as its words, with their lines.
    pub fn calls(&self, program: &str) -> Vec<(usize, Vec<String>)> {
        let mut calls = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            for command in commands(line) {
                let name = command.first().map(|name| name.rsplit('/').next().unwrap());
                if name == Some(program) {
                    calls.push((self.line + index, command));
                }
            }
        }
        calls
    }
}

/// The words of each simple command in a line of a script, as far as documentation needs: quotes,
/// comments, pipes and redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut redirected = false;
    let end_word =
        |word: &mut Option<String>, commands: &mut Vec<Vec<String>>, redirected: &mut bool| {
            if let Some(word) = word.take()
                && !std::mem::take(redirected)
            {
                commands.last_mut().unwrap().push(word);
            }
        };
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                word.get_or_insert_default();
                quote = Some(c);
            }
            (None, '#') if word.is_none() => break,
            (None, ' ') => end_word(&mut word, &mut commands, &mut redirected),
            (None, '|' | ';' | '&') => {
                end_word(&mut word, &mut commands, &mut redirected);
                commands.push(Vec::new());
            }
            (None, '>' | '<') => {
                end_word(&mut word, &mut commands, &mut redirected);
                redirected = true;
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    end_word(&mut word, &mut commands, &mut redirected);
    commands
}
