//! Finds the language that a code or a name means.
//!
//! Catalogues use MARC's codes. Sources use those of ISO 639-1, 639-2 and 639-3, or names.

use std::collections::HashMap;
use std::sync::LazyLock;

/// MARC code and English name, one language a line after a heading.
///
/// Source: the MARC code list for languages, as catalogues map it.
const MARC: &str = include_str!("languages.tsv");

/// The codes of ISO 639-1, each with its MARC code.
const TWO_LETTERS: &str = "\
aa aar ab abk ae ave af afr ak aka am amh an arg ar ara as asm av ava ay aym az aze ba bak be bel \
bg bul bh bih bi bis bm bam bn ben bo tib br bre bs bos ca cat ce che ch cha co cos cr cre cs cze \
cu chu cv chv cy wel da dan de ger dv div dz dzo ee ewe el gre en eng eo epo es spa et est eu baq \
fa per ff ful fi fin fj fij fo fao fr fre fy fry ga gle gd gla gl glg gn grn gu guj gv glv ha hau \
he heb hi hin ho hmo hr hrv ht hat hu hun hy arm hz her ia ina id ind ie ile ig ibo ii iii ik ipk \
io ido is ice it ita iu iku iw heb ja jpn jv jav ka geo kg kon ki kik kj kua kk kaz kl kal km khm \
kn kan ko kor kr kau ks kas ku kur kv kom kw cor ky kir la lat lb ltz lg lug li lim ln lin lo lao \
lt lit lu lub lv lav mg mlg mh mah mi mao mk mac ml mal mn mon mr mar ms may mt mlt my bur na nau \
nb nob nd nde ne nep ng ndo nl dut nn nno no nor nr nbl nv nav ny nya oc oci oj oji om orm or ori \
os oss pa pan pi pli pl pol ps pus pt por qu que rm roh rn run ro rum ru rus rw kin sa san sc srd \
sd snd se sme sg sag si sin sk slo sl slv sm smo sn sna so som sq alb sr srp ss ssw st sot su sun \
sv swe sw swa ta tam te tel tg tgk th tha ti tir tk tuk tl tgl tn tsn to ton tr tur ts tso tt tat \
tw twi ty tah ug uig uk ukr ur urd uz uzb ve ven vi vie vo vol wa wln wo wol xh xho yi yid yo yor \
za zha zh chi zu zul";

/// The codes of ISO 639-2/T and 639-3 that MARC writes otherwise.
const THREE_LETTERS: &str = "\
bod tib ces cze cym wel deu ger ell gre eus baq fas per fra fre hye arm isl ice kat geo mkd mac \
mri mao msa may mya bur nld dut ron rum slk slo sqi alb zho chi";

/// Serbo-Croatian: in ISO 639-3, but not in MARC.
const SERBO_CROATIAN: (&str, &str) = ("hbs", "Serbo-Croatian");

/// The codes of ISO 639-3 for which MARC had other codes.
const OBSOLETE: &str = "hrv scr srp scc ron mol";

/// MARC's groups of languages, which ISO 639-3 does not have.
const GROUPS: &str = "\
afa alg apa art ath aus bad bai bat ber bih btk cai cau cel cmc cpe cpf cpp crp cus dra fiu gem ijo \
inc ine ira iro kar khi kro map mkh mno mul mun myn nah nai nic nub oto paa phi pra roa sai sal sem \
sgn sio sit sla smi son ssa tai tup tut und wak wen ypk znd zxx";

struct Languages {
    /// MARC code to name.
    names: HashMap<&'static str, &'static str>,
    /// Another standard's code, or a name in lower case, to the MARC code.
    marc: HashMap<String, &'static str>,
    /// MARC code to the code of ISO 639-3.
    iso639_3: HashMap<&'static str, &'static str>,
}

static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
    let names: HashMap<_, _> = pairs(MARC).collect();
    let mut marc = HashMap::new();
    for (code, name) in pairs(MARC) {
        marc.entry(name.to_lowercase()).or_insert(code);
    }
    for list in [TWO_LETTERS, THREE_LETTERS] {
        let mut codes = list.split(' ');
        while let (Some(code), Some(marc_code)) = (codes.next(), codes.next()) {
            marc.insert(code.to_owned(), marc_code);
            // Obsolete codes have names too; those in use today win.
            if let Some(name) = names.get(marc_code) {
                marc.insert(name.to_lowercase(), marc_code);
            }
        }
    }
    let mut iso639_3: HashMap<_, _> = names.keys().map(|code| (*code, *code)).collect();
    for group in GROUPS.split(' ') {
        iso639_3.remove(group);
    }
    for list in [THREE_LETTERS, OBSOLETE] {
        let mut codes = list.split(' ');
        while let (Some(code), Some(marc_code)) = (codes.next(), codes.next()) {
            iso639_3.insert(marc_code, code);
        }
    }
    Languages {
        names,
        marc,
        iso639_3,
    }
});

/// The lines of a table of code, tab and name, without its heading.
fn pairs(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
}

/// The English name of a MARC code, written exactly so.
pub fn marc_name(code: &str) -> Option<&'static str> {
    LANGUAGES.names.get(code).copied()
}

/// The MARC code of a language, given by a code of ISO 639-1, 639-2 or 639-3, by MARC's own or by
/// its English name, in any case. `None` for other texts.
pub fn marc_code(language: &str) -> Option<&'static str> {
    let language = language.trim().to_lowercase();
    match LANGUAGES.marc.get(&language) {
        Some(code) => Some(code),
        None => LANGUAGES
            .names
            .get_key_value(language.as_str())
            .map(|(code, _)| *code),
    }
}

/// The code of ISO 639-3 of a language, given as for [`marc_code`]; `None` for groups of languages.
pub fn iso639_3(language: &str) -> Option<&'static str> {
    match marc_code(language) {
        Some(code) => LANGUAGES.iso639_3.get(code).copied(),
        None => language
            .trim()
            .eq_ignore_ascii_case(SERBO_CROATIAN.0)
            .then_some(SERBO_CROATIAN.0),
    }
}

/// The English name of a language, given as for [`marc_code`].
pub fn name(language: &str) -> Option<&'static str> {
    match marc_code(language) {
        Some(code) => marc_name(code),
        None => language
            .trim()
            .eq_ignore_ascii_case(SERBO_CROATIAN.0)
            .then_some(SERBO_CROATIAN.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_codes_and_names() {
        let cases = [
            ("MARC", "ger", Some("ger"), Some("German")),
            ("ISO 639-1", "EN", Some("eng"), Some("English")),
            ("ISO 639-3", "deu", Some("ger"), Some("German")),
            ("both", "sqi", Some("alb"), Some("Albanian")),
            ("name", "Portuguese", Some("por"), Some("Portuguese")),
            ("no MARC code", "hbs", None, Some("Serbo-Croatian")),
            ("unknown", "xyz", None, None),
            ("empty", "", None, None),
        ];
        for (case, language, code, english) in cases {
            assert_eq!(marc_code(language), code, "{case}");
            assert_eq!(name(language), english, "{case}");
        }
    }

    #[test]
    fn knows_iso_639_3() {
        let cases = [
            ("ger", Some("deu")),
            ("German", Some("deu")),
            ("en", Some("eng")),
            ("scr", Some("hrv")),
            ("hbs", Some("hbs")),
            ("sla", None),
            ("xyz", None),
        ];
        for (language, expected) in cases {
            assert_eq!(iso639_3(language), expected, "{language}");
        }
    }

    #[test]
    fn every_code_leads_to_a_name() {
        for list in [TWO_LETTERS, THREE_LETTERS] {
            for code in list.split(' ') {
                assert!(name(code).is_some(), "{code}");
            }
        }
    }
}
