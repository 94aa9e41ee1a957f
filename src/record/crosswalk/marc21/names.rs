//! People and bodies of MARC 21: 100, 110, 111, 700, 710, 711, 720.

use crate::record::marc::{Field, Record};
use crate::record::resource::{Agent, Resource, Role};

use super::super::relators::{by_code, by_term, relator_code};
use super::super::values::{inverted, orcid, without_isbd, without_stop};

/// Adds people and bodies, and the conference that a record is about.
///
/// A name of 7XX without a relator is a contributor, since its part is not told; only Invenio uses
/// 700 for further authors. Names with a title ($t) are of other works.
pub(super) fn agents(record: &Record, invenio: bool, resource: &mut Resource) {
    for field in &record.fields {
        let main = field.tag.starts_with('1');
        match field.tag.as_str() {
            "100" | "110" | "700" | "710" | "720" | "701" if !field.has('t') => {
                if field.tag == "701" && !invenio {
                    continue;
                }
                if let Some(agent) = agent(field, main, invenio) {
                    place(agent, field, resource);
                }
            }
            "111" | "711" if !field.has('t') && resource.host.conference.is_none() => {
                resource.host.conference = field
                    .joined("anedc", " ")
                    .map(|text| without_stop(&text).to_owned());
            }
            _ => {}
        }
    }
}

/// Puts an agent where its part belongs: the grantor of a degree is none of the agents.
fn place(agent: Agent, field: &Field, resource: &mut Resource) {
    let codes = || field.all('4').map(relator_code);
    if codes().any(|code| code == "dgg") {
        if resource.degree.grantor.is_none() {
            resource.degree.grantor = Some(agent.name);
        }
        return;
    }
    let known = resource
        .agents
        .iter_mut()
        .find(|known| known.name == agent.name && known.role == agent.role);
    match known {
        Some(_) => {}
        None => resource.agents.push(agent),
    }
}

fn agent(field: &Field, main: bool, invenio: bool) -> Option<Agent> {
    let organisation =
        matches!(field.tag.as_str(), "110" | "710") || (field.tag == "720" && field.first == '2');
    let mut agent = Agent {
        organisation,
        role: role(field, main, invenio),
        ..Agent::default()
    };
    if organisation {
        let mut name = String::new();
        for (code, text) in &field.subfields {
            if matches!(code, 'a' | 'b') {
                if !name.is_empty() {
                    name.push_str(". ");
                }
                name.push_str(without_stop(text));
            }
        }
        agent.name = name;
    } else {
        // Invenio's repositories write advisors to 720 $i.
        let name = field
            .first('a')
            .or_else(|| field.first('i').filter(|_| invenio));
        let base = name_without_stop(name?);
        agent.name = base.to_owned();
        if let Some(number) = field.first('b') {
            agent.name.push(' ');
            agent.name.push_str(without_stop(number));
        }
        let title = field.first('c').map(without_isbd);
        if field.first == '1' {
            if let Some((family, given)) = inverted(base) {
                agent.family = Some(family);
                agent.given = Some(given);
            }
            // `Jr.` belongs to the name, `Sir` does not.
            if let Some(title) = title
                && ["Jr.", "Sr.", "Jr", "Sr", "II", "III", "IV"].contains(&title)
            {
                agent.name.push_str(", ");
                agent.name.push_str(title);
            }
        } else if field.first == '0'
            && field.tag != "720"
            && let Some(title) = title
        {
            agent.name.push_str(", ");
            agent.name.push_str(title.trim_matches(['(', ')']));
        }
        agent.dates = field
            .first('d')
            .map(|dates| without_isbd(dates).trim_end_matches('.').to_owned());
    }
    if agent.name.is_empty() {
        return None;
    }
    agent.orcid = field
        .subfields
        .iter()
        .filter(|(code, text)| {
            let lower = text.to_ascii_lowercase();
            match code {
                '0' | '1' => lower.contains("orcid"),
                'j' | 'k' | '2' => true,
                _ => false,
            }
        })
        .find_map(|(_, text)| orcid(text))
        .map(str::to_owned);
    agent.affiliations = field
        .all('u')
        .map(|text| without_stop(text).to_owned())
        .collect();
    agent.email = field
        .all('m')
        .find(|text| text.contains('@'))
        .map(str::to_owned);
    Some(agent)
}

/// Without a full stop that is none of an initial or an abbreviation such as `Jr.`.
fn name_without_stop(text: &str) -> &str {
    let text = without_stop(text);
    let last = text.rsplit([' ', '.']).find(|word| !word.is_empty());
    match last {
        Some(last) if last.starts_with(char::is_lowercase) => text.trim_end_matches('.'),
        _ => text,
    }
}

/// The part by $4 or $e.
fn role(field: &Field, main: bool, invenio: bool) -> Role {
    let mut found: Option<Role> = None;
    for code in field.all('4').map(relator_code) {
        let role = by_code(code);
        // Who wrote and did something else is an author.
        if role == Role::Author {
            return role;
        }
        found.get_or_insert(role);
    }
    // $4 in Invenio is no code.
    for term in field.all('e') {
        let term = without_isbd(term).trim_end_matches('.').trim();
        if term.is_empty() {
            continue;
        }
        let role = by_term(term);
        if role == Role::Author {
            return role;
        }
        match &found {
            None => found = Some(role),
            // The word says more than a code without a name.
            Some(Role::Other(code)) if code.len() == 3 => found = Some(role),
            Some(_) => {}
        }
    }
    match found {
        Some(role) => role,
        None if field.tag == "701" => Role::Advisor,
        None if main || (invenio && matches!(field.tag.as_str(), "700" | "720")) => Role::Author,
        None => Role::Contributor,
    }
}
