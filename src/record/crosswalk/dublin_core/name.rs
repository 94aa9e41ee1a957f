//! Splits what stands around names off: affiliations, ORCID iDs, roles, titles and dates of life.

use std::sync::LazyLock;

use regex::Regex;

use super::statements::{Statement, one_line};
use super::words::fold;
use crate::record::resource::{Agent, Role};

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns of this file are valid")
}

static ORCID: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)[\s,;(\[]*(?:orcid(?:\s*id)?\s*:?\s*)?(?:https?://orcid\.org/)?(\d{4}-\d{4}-\d{4}-\d{3}[\dx])[)\]]*",
    )
});

static BRACKETS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s*[(\[]([^()\[\]]*)[)\]]\s*\.?$"));

static LIFE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)[,\s]*\(?\b((?:b\.|d\.|born|fl\.|ca?\.|active)?\s*(?:1[0-9]|20)\d\d\??(?:\s*[-–]\s*(?:(?:1[0-9]|20)\d\d\??)?)?)\)?\.?$",
    )
});

static LEADING_TITLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:(?:Mr|Mrs|Ms|Dr|Prof|Doc|Ing|Mgr|RNDr|PhDr|MUDr)\.\s*|(?:Professor|Доц|Проф)\.?\s+)+",
    )
});

static TRAILING_TITLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i),\s*(?:(?:mr|dr|prof|ir|drs|ph\.?\s?d|m\.?\s?d|m\.?\s?sc|m\.?\s?a|b\.?\s?sc|dr\.-ing|esq|dds|rn|mph)\b\.?[\s,]*)+$",
    )
});

static UPPER_ROLE: LazyLock<Regex> = LazyLock::new(|| pattern(r",\s*([A-Z]{5,}(?:[_ ][A-Z]+)*)$"));

/// The agents of a record: its creators, and its contributors but those who are creators too.
///
/// Contributors without a role are not taken for authors. Without any creator, those who are marked
/// as authors, composers or writers of words are. A name that is only punctuation is left out.
pub(super) fn agents(statements: &[Statement]) -> Vec<Agent> {
    let mut authors: Vec<Agent> = Vec::new();
    let mut others = Vec::new();
    let creators = statements.iter().filter(|s| s.element == "creator");
    let creators = creators.chain(
        statements
            .iter()
            .filter(|s| s.is("contributor", &["author"])),
    );
    for statement in creators {
        for agent in split(statement) {
            let known = authors.iter().any(|author| same_name(author, &agent));
            if !known {
                authors.push(agent);
            }
        }
    }
    let contributors = statements.iter().filter(|statement| {
        statement.element == "contributor" && !statement.is("contributor", &["author"])
    });
    let none_known = authors.is_empty();
    for statement in contributors {
        let mut agent = one(
            &statement.text,
            Role::Contributor,
            statement.authority.as_deref(),
        );
        if let Some(qualifier) = &statement.qualifier {
            agent.role = role_of(qualifier);
        }
        // A comma without a family name before it is what is left of a name.
        let is_name = agent.name.contains(char::is_alphabetic) && !statement.text.starts_with(',');
        if !is_name || authors.iter().any(|author| same_name(author, &agent)) {
            continue;
        }
        match agent.role {
            Role::Author if none_known => authors.push(agent),
            _ => others.push(agent),
        }
    }
    authors.extend(others);
    authors
}

/// Whether two names have the same words in the same order.
fn same_name(a: &Agent, b: &Agent) -> bool {
    fold(&a.name) == fold(&b.name)
}

/// The authors of one `creator`: several if each part is a name, or one with affiliations.
fn split(statement: &Statement) -> Vec<Agent> {
    let text = statement
        .text
        .replace("<br>", ";")
        .replace("<br/>", ";")
        .replace("<br />", ";");
    let text = one_line(&text);
    let authority = statement.authority.as_deref();
    let parts: Vec<&str> = text
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    let [first, rest @ ..] = &parts[..] else {
        return Vec::new();
    };
    if rest.is_empty() {
        return vec![one(first, Role::Author, authority)];
    }
    let are_names = parts
        .iter()
        .all(|part| part.matches(',').count() == 1 && !is_institution(part));
    if are_names
        || !rest.iter().any(|part| is_affiliation(part)) && rest.iter().all(|part| is_name(part))
    {
        return parts
            .iter()
            .map(|part| one(part, Role::Author, None))
            .collect();
    }
    let mut agent = one(first, Role::Author, authority);
    for part in rest {
        match ORCID.captures(part) {
            Some(found) => agent.orcid = agent.orcid.take().or_else(|| Some(found[1].to_owned())),
            None if role_of_word(part).is_some() => agent.role = role_of(part),
            None => agent.affiliations.push((*part).to_owned()),
        }
    }
    vec![agent]
}

/// Two to four words that each begin with a capital, as names of people in direct order do.
fn is_name(text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    (2..=4).contains(&words.len())
        && words
            .iter()
            .all(|word| word.chars().next().is_some_and(char::is_uppercase))
        && !text.contains(',')
}

/// What may stand after a name: an institution, its abbreviation, a role, an ORCID iD.
fn is_affiliation(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
    let abbreviation = letters.len() > 1 && letters.iter().all(|c| c.is_uppercase());
    abbreviation || is_institution(text) || ORCID.is_match(text) || role_of_word(text).is_some()
}

/// One name with what stands around it.
fn one(text: &str, role: Role, authority: Option<&str>) -> Agent {
    let mut agent = Agent {
        role,
        orcid: authority.and_then(orcid_of),
        ..Agent::default()
    };
    let mut name = one_line(text);
    if let Some(found) = ORCID.captures(&name) {
        let range = found.get(0).map_or(0..0, |whole| whole.range());
        agent.orcid = agent.orcid.take().or_else(|| Some(found[1].to_owned()));
        name.replace_range(range, "");
    }
    let bare = name.split(['(', '[']).next().unwrap_or(&name);
    let organisation = is_institution(bare);
    // What is in brackets at the end: a role, dates of life, an affiliation.
    while let Some(found) = BRACKETS.captures(&name) {
        let inner = found[1].trim().to_owned();
        let at = found.get(0).map_or(0, |whole| whole.start());
        if at == 0 {
            break;
        }
        let role = role_of_word(&inner);
        if LIFE.is_match(&inner) {
            agent.dates = Some(inner);
        } else if let Some(role) = role {
            agent.role = role;
        } else if is_degree(&inner) {
            // A title is no part of a name.
        } else if !organisation && is_institution(&inner) {
            agent.affiliations.push(inner);
        } else if inner.chars().any(char::is_uppercase) && inner.contains('_')
            || inner.len() > 4 && inner.chars().all(|c| c.is_uppercase() || c == ' ')
        {
            agent.role = Role::Other(inner.to_lowercase());
        } else {
            break;
        }
        name.truncate(at);
    }
    if let Some(found) = UPPER_ROLE.captures(&name)
        && let Some(role) = role_of_word(&found[1])
    {
        agent.role = role;
        let at = found.get(0).map_or(name.len(), |whole| whole.start());
        name.truncate(at);
    }
    for ending in [
        "Auteur du texte",
        "auteur du texte",
        "Compositeur",
        "Éditeur scientifique",
    ] {
        if let Some(rest) = name
            .strip_suffix(ending)
            .map(|rest| rest.trim_end_matches([' ', '.', ',']))
        {
            agent.role = role_of(ending);
            name = rest.to_owned();
        }
    }
    if !organisation && let Some(found) = LIFE.captures(&name) {
        let at = found.get(0).map_or(0, |whole| whole.start());
        if at > 0 && name[at..].contains([',', '(', '-', '–']) {
            agent.dates = Some(found[1].trim().to_owned());
            name.truncate(at);
        }
    }
    name = LEADING_TITLE.replace(&name, "").into_owned();
    if let Some(found) = TRAILING_TITLE.find(&name) {
        // `Brimble, MA` has initials.
        let (before, title) = name.split_at(found.start());
        let certain = ["prof", "dr", "ph", "ir"];
        let title = title.trim_start_matches([',', ' ']).to_lowercase();
        if before.contains(',') || certain.iter().any(|word| title.starts_with(word)) {
            name = before.to_owned();
        }
    }
    if let Some((person, place)) = affiliation_after_comma(&name) {
        agent.affiliations.push(place.to_owned());
        name = person.to_owned();
    }
    agent.name = tidy(&name);
    agent.organisation = is_institution(&agent.name);
    agent
}

/// The ORCID iD of an authority: as written if it is one by itself or an address of one.
fn orcid_of(authority: &str) -> Option<String> {
    ORCID.is_match(authority).then(|| {
        match authority.rsplit_once("::") {
            // DSpace's own `virtual::1` and `orcid::…`.
            Some((_, id)) if ORCID.is_match(id) => id.to_owned(),
            _ => authority.to_owned(),
        }
    })
}

/// `Last, First, Howard University`: what follows the second comma, if it is an institution and
/// what precedes is not.
fn affiliation_after_comma(name: &str) -> Option<(&str, &str)> {
    let first = name.find(',')?;
    let second = first + 1 + name[first + 1..].find(',')?;
    let (person, place) = (&name[..second], name[second + 1..].trim());
    (is_institution(place) && !is_institution(person)).then_some((person, place))
}

/// Without blanks before commas and without commas and semicolons at the ends.
fn tidy(name: &str) -> String {
    let name = name.replace(" ,", ",");
    name.trim_matches([' ', ',', ';', '*']).to_owned()
}

fn is_degree(text: &str) -> bool {
    let folded = fold(text);
    matches!(
        folded.trim(),
        "phd"
            | "ph d"
            | "md"
            | "m d"
            | "dr"
            | "prof"
            | "msc"
            | "ma"
            | "assoc prof"
            | "asst prof"
            | "professor"
    )
}

/// Beginnings of words in the names of institutions, folded.
const INSTITUTIONS: &[&str] = &[
    "universi",
    "institut",
    "istitut",
    "instytut",
    "college",
    "center ",
    "centre ",
    "centro ",
    "zentrum",
    "dept",
    "department",
    "departament",
    "departement",
    "division",
    "faculty",
    "facult",
    "facultad",
    "faculdade",
    "fakult",
    "school of",
    "laborator",
    "laboratoire",
    "academy",
    "academ",
    "akadem",
    "ministr",
    "bureau",
    "hospital",
    "hopital",
    "foundation",
    "fundac",
    "fondation",
    "stiftung",
    "society",
    "societ",
    "association",
    "associac",
    "asociac",
    "council",
    "committee",
    "commission",
    "agency",
    "administration",
    "organisation",
    "organization",
    "company",
    "corporation",
    "consortium",
    "library",
    "libraries",
    "bibliothe",
    "bibliotec",
    "bibliotek",
    "museum",
    "musee",
    "museo",
    "archive",
    "national ",
    "nationale ",
    "nacional",
    "government",
    "service ",
    "services ",
    "office of",
    "hochschule",
    "polytechn",
    "politecn",
    "gmbh",
    "ltd",
    "inc ",
    "llc",
    "press ",
    "verlag",
    "unesco",
    "group ",
    "collaboration",
    "team ",
    "univ",
    "school ",
    "escola",
    "escuela",
    "ecole",
    "clinic",
    "research ",
    "университет",
    "институт",
    "академ",
    "παν",
];

static INSTITUTION: LazyLock<Regex> = LazyLock::new(|| {
    let stems: Vec<String> = INSTITUTIONS
        .iter()
        .map(|stem| regex::escape(stem))
        .collect();
    pattern(&format!(
        "(?: (?:{})|大学|学院|研究所|대학교)",
        stems.join("|")
    ))
});

/// Whether a text has a word that names of institutions have.
pub(super) fn is_institution(text: &str) -> bool {
    INSTITUTION.is_match(&fold(text))
}

/// What a qualifier or a role means.
fn role_of(word: &str) -> Role {
    role_of_word(word).unwrap_or_else(|| match word.to_lowercase().as_str() {
        "" | "other" | "none" => Role::Contributor,
        word => Role::Other(word.to_owned()),
    })
}

fn role_of_word(word: &str) -> Option<Role> {
    let folded = fold(word);
    let words = folded.trim();
    if let Some((adjective, noun)) = words.split_once(' ')
        && OTHER_ROLES.contains(&noun)
        && !adjective.is_empty()
    {
        return Some(Role::Other(words.to_owned()));
    }
    let known = ROLES.iter().find(|(_, names)| names.contains(&words));
    match known {
        Some((role, _)) => Some(role.clone()),
        None if OTHER_ROLES.contains(&words) => Some(Role::Other(words.to_owned())),
        None => None,
    }
}

const ROLES: &[(Role, &[&str])] = &[
    (
        Role::Author,
        &[
            "author",
            "authors",
            "aut",
            "auteur",
            "auteur du texte",
            "autor",
            "autora",
            "verfasser",
            "composer",
            "compositeur",
            "lyricist",
            "creator",
            "co author",
            "writer",
            "автор",
            "photographer",
            "artist",
            "cartographer",
            "librettist",
        ],
    ),
    (
        Role::Editor,
        &[
            "editor",
            "editors",
            "edt",
            "ed",
            "eds",
            "hrsg",
            "herausgeber",
            "editeur scientifique",
            "red",
            "wyd",
            "editor literario",
            "redaktor",
            "ред",
            "organizador",
            "coordinador",
            "org",
        ],
    ),
    (
        Role::Translator,
        &[
            "translator",
            "trl",
            "traducteur",
            "traductor",
            "tradutor",
            "ubersetzer",
            "przekl",
            "tl",
        ],
    ),
    (
        Role::Advisor,
        &[
            "advisor",
            "adviser",
            "supervisor",
            "thesis advisor",
            "promotor",
            "co promotor",
            "copromotor",
            "director",
            "directeur de these",
            "orientador",
            "committee member",
            "committee chair",
            "chair",
            "ths",
            "dgs",
            "referee",
            "advisors",
            "committeemember",
            "advisor co",
            "co advisor",
            "coadvisor",
            "asesor",
            "danisman",
            "gutachter",
            "opponent",
            "examiner",
            "tutor",
        ],
    ),
];

const OTHER_ROLES: &[&str] = &[
    "publisher",
    "sponsor",
    "contact",
    "submitted to",
    "preparer",
    "illustrator",
    "ill",
    "interviewer",
    "interviewee",
    "narrator",
    "performer",
    "conductor",
    "producer",
    "printer",
    "lithographer",
    "engraver",
    "funder",
    "contributor",
    "lender",
    "repository",
    "collector",
    "department",
    "dedicatee",
    "copyist",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn creator(text: &str) -> Statement {
        Statement {
            element: "creator".to_owned(),
            text: text.to_owned(),
            ..Statement::default()
        }
    }

    fn contributor(text: &str) -> Statement {
        Statement {
            element: "contributor".to_owned(),
            text: text.to_owned(),
            ..Statement::default()
        }
    }

    #[test]
    fn keeps_names() {
        for name in [
            "Meier, Robert H.",
            "Sean Guynes",
            "Pligt, J. van der",
            "Buttaro, Anthony, Jr.",
            "Hubrich,Stefan",
            "Environmental Sciences Division, Oak Ridge National Laboratory",
            "Portland State University. Center for Population Research and Census",
            "Ohio State University. Libraries",
            "Grieco y Bavio, Alfredo",
            "Maurer 2012, Daniel",
            "Association des diplômés de l’Université de Montréal",
            "Zanini Roselaine Ruviaro",
        ] {
            let agents = agents(&[creator(name)]);
            assert_eq!(agents.len(), 1, "{name}");
            assert_eq!(agents[0].name, name);
            assert_eq!(agents[0].affiliations, [""; 0], "{name}");
        }
    }

    #[test]
    fn splits_off_what_is_no_name() {
        let cases: [(&str, &[&str], &[&str]); 15] = [
            (
                "Rakhi Garg; Banaras Hindu University, Varanasi",
                &["Rakhi Garg"],
                &["Banaras Hindu University, Varanasi"],
            ),
            (
                "Nelson de Castro Senra; IBGE",
                &["Nelson de Castro Senra"],
                &["IBGE"],
            ),
            ("Smith, John; Doe, Jane", &["Smith, John", "Doe, Jane"], &[]),
            (
                "Smith, John<br>Doe, Jane",
                &["Smith, John", "Doe, Jane"],
                &[],
            ),
            ("John Smith; Jane Doe", &["John Smith", "Jane Doe"], &[]),
            (
                "Jelinek, Lauren, AUTHOR (Bureau of Reclamation)",
                &["Jelinek, Lauren"],
                &["Bureau of Reclamation"],
            ),
            (
                "Shereshefsky, Leon J., Howard University",
                &["Shereshefsky, Leon J."],
                &["Howard University"],
            ),
            ("Pereira , Rodrigo M.", &["Pereira, Rodrigo M."], &[]),
            ("Yetter, Lewis, 1811-1880", &["Yetter, Lewis"], &[]),
            ("Ayer, William, d. 1874", &["Ayer, William"], &[]),
            (
                "Verne, Jules (1828-1905). Auteur du texte",
                &["Verne, Jules"],
                &[],
            ),
            ("Prof. Smith, John", &["Smith, John"], &[]),
            ("Wakker, K.F., prof. ir.", &["Wakker, K.F."], &[]),
            ("Yasin Mohammed(PhD)", &["Yasin Mohammed"], &[]),
            ("Durand, Anne,", &["Durand, Anne"], &[]),
        ];
        for (text, names, affiliations) in cases {
            let agents = agents(&[creator(text)]);
            let found: Vec<&str> = agents.iter().map(|agent| agent.name.as_str()).collect();
            assert_eq!(found, names, "{text}");
            let found: Vec<&String> = agents
                .iter()
                .flat_map(|agent| &agent.affiliations)
                .collect();
            assert_eq!(found, affiliations, "{text}");
        }
    }

    #[test]
    fn keeps_what_it_splits_off() {
        let agents = agents(&[
            creator("Yetter, Lewis, 1811-1880"),
            creator("Riboldi João [0000-0001-1111-2222]"),
            Statement {
                authority: Some("https://orcid.org/0000-0001-1234-1234".to_owned()),
                ..creator("Moraes")
            },
        ]);
        assert_eq!(agents[0].dates.as_deref(), Some("1811-1880"));
        assert_eq!(agents[1].name, "Riboldi João");
        assert_eq!(agents[1].orcid.as_deref(), Some("0000-0001-1111-2222"));
        assert_eq!(
            agents[2].orcid.as_deref(),
            Some("https://orcid.org/0000-0001-1234-1234")
        );
    }

    #[test]
    fn contributors_are_authors_only_if_marked() {
        let names = |agents: &[Agent], role: &Role| -> Vec<String> {
            let all = agents.iter().filter(|agent| agent.role == *role);
            all.map(|agent| agent.name.clone()).collect()
        };
        let marked = agents(&[
            contributor("Pan, Keyao (Author)"),
            contributor("Smith, Robert B. (Lyricist)"),
            contributor("Breitkopf & Hartl (Publisher)"),
            contributor("Wakker, K.F., prof. ir. (promotor)"),
            contributor("Lewis, Lytle K."),
            contributor(", S."),
        ]);
        assert_eq!(
            names(&marked, &Role::Author),
            ["Pan, Keyao", "Smith, Robert B."]
        );
        assert_eq!(names(&marked, &Role::Advisor), ["Wakker, K.F."]);
        assert_eq!(names(&marked, &Role::Contributor), ["Lewis, Lytle K."]);
        assert_eq!(marked.len(), 5);

        let twice = agents(&[creator("Schaap, L."), contributor("Schaap, L.")]);
        assert_eq!(twice.len(), 1);
    }

    #[test]
    fn qualifiers_are_roles() {
        let qualified = |qualifier: &str| Statement {
            qualifier: Some(qualifier.to_owned()),
            ..contributor("X, Y")
        };
        let of = |qualifier: &str| agents(&[qualified(qualifier)])[0].role.clone();
        assert_eq!(of("author"), Role::Author);
        assert_eq!(of("advisor"), Role::Advisor);
        assert_eq!(of("editor"), Role::Editor);
        assert_eq!(of("other"), Role::Contributor);
        assert_eq!(of("illustrator"), Role::Other("illustrator".to_owned()));
    }
}
