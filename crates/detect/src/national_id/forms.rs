//! Who writes what, and how.

use super::Country::{self, *};
use super::Weight::{self, Certain, Likely, Strong, Word};
use super::{Form, rules};

const fn form(
    country: Country,
    pattern: &'static str,
    is_valid: fn(&[u8]) -> bool,
    weight: Weight,
    words: &'static [&'static str],
) -> Form {
    Form { country, pattern, is_valid, weight, words }
}

const BE: &[&str] = &["national", "rijksregister", "registre", "niss", "insz", "nn"];
const BR: &[&str] = &["cpf", "cadastro"];
const CA: &[&str] = &["sin", "social insurance", "nas"];
const CH: &[&str] = &["ahv", "avs", "social"];
const CN: &[&str] = &["id", "identity", "resident"];
const DE: &[&str] = &["steuer", "idnr", "tin", "tax"];
const ES: &[&str] = &["dni", "nie", "nif"];
const FR: &[&str] = &["nir", "insee", "sécu", "secu", "social"];
const GB: &[&str] = &["nhs"];
const IN: &[&str] = &["aadhaar", "aadhar", "uid", "uidai"];
const KR: &[&str] = &["rrn", "resident", "jumin"];
const MX: &[&str] = &["curp"];
const NL: &[&str] = &["bsn", "burgerservice", "sofi"];
const NO: &[&str] = &["fødselsnummer", "fodselsnummer", "fnr", "personnummer", "national"];
const PL: &[&str] = &["pesel"];
const RO: &[&str] = &["cnp", "numeric personal"];
const SE: &[&str] = &["personnummer", "pnr", "personal"];
const TR: &[&str] = &["tc", "kimlik", "tckn"];
const US: &[&str] = &["ssn", "social security", "taxpayer"];
const ZA: &[&str] = &["id", "identity"];

/// Every form that is known. Of two that fit, that with the better evidence comes first.
pub(super) const FORMS: &[Form] = &[
    form(Fr, "# ## ## #* ### ### ##", rules::france, Strong, FR),
    form(Fr, "#############", rules::france_without_key, Word, FR),
    form(Fr, "######*########", rules::france, Strong, FR),
    form(Cn, "#################*", rules::china, Strong, CN),
    form(Mx, "AAAA######AAAAAA*#", rules::mexico, Strong, MX),
    form(Mx, "AAAA ###### AAAAAA *#", rules::mexico, Strong, MX),
    form(It, "AAAAAA**A**A***A", rules::italy, Strong, &[]),
    form(It, "AAA AAA **A** A***A", rules::italy_in_groups, Strong, &[]),
    form(Ch, "756.####.####.##", rules::switzerland, Strong, CH),
    form(Ch, "756##########", rules::switzerland, Strong, CH),
    form(Kr, "######-#######", rules::korea, Certain, KR),
    form(Kr, "#############", rules::korea, Likely, KR),
    form(Za, "#############", rules::south_africa, Likely, ZA),
    form(Za, "###### #### ###", rules::south_africa, Certain, ZA),
    form(Ro, "#############", rules::romania, Likely, RO),
    form(Ro, "# ###### ######", rules::romania, Likely, RO),
    form(Fi, "######-####", rules::finland, Certain, &[]),
    form(Fi, "######-###A", rules::finland, Certain, &[]),
    form(Fi, "######+####", rules::finland, Certain, &[]),
    form(Fi, "######+###A", rules::finland, Certain, &[]),
    form(Fi, "######A####", rules::finland_of_this_century, Certain, &[]),
    form(Fi, "######A###A", rules::finland_of_this_century, Certain, &[]),
    form(Se, "########-####", rules::sweden, Certain, SE),
    form(Se, "############", rules::sweden, Certain, SE),
    form(Se, "######-####", rules::sweden, Certain, SE),
    form(Se, "######+####", rules::sweden, Certain, SE),
    form(Se, "##########", rules::sweden, Likely, SE),
    form(In, "#### #### ####", rules::india, Certain, IN),
    form(In, "####-####-####", rules::india, Certain, IN),
    form(In, "############", rules::india, Likely, IN),
    form(No, "###########", rules::norway, Strong, NO),
    form(No, "###### #####", rules::norway, Strong, NO),
    form(Be, "##.##.##-###.##", rules::belgium, Strong, BE),
    form(Be, "###########", rules::belgium, Strong, BE),
    form(De, "## ### ### ###", rules::germany, Certain, DE),
    form(De, "###########", rules::germany, Likely, DE),
    form(Br, "###.###.###-##", rules::brazil, Strong, BR),
    form(Br, "###########", rules::brazil, Likely, BR),
    form(Pl, "###########", rules::poland, Likely, PL),
    form(Pl, "###### #####", rules::poland, Likely, PL),
    form(Tr, "###########", rules::turkey, Likely, TR),
    form(Tr, "### ### ### ##", rules::turkey, Likely, TR),
    form(Gb, "### ### ####", rules::health_service, Certain, GB),
    form(Gb, "###-###-####", rules::health_service, Likely, GB),
    form(Gb, "##########", rules::health_service, Likely, GB),
    form(Es, "########A", rules::spain, Certain, ES),
    form(Es, "########-A", rules::spain, Certain, ES),
    form(Es, "##.###.###-A", rules::spain, Certain, ES),
    form(Es, "A#######A", rules::spain_foreigner, Certain, ES),
    form(Es, "A-#######-A", rules::spain_foreigner, Certain, ES),
    form(Us, "###-##-####", rules::united_states, Certain, US),
    form(Us, "### ## ####", rules::united_states, Word, US),
    form(Us, "#########", rules::united_states, Word, US),
    form(Ca, "###-###-###", rules::canada, Certain, CA),
    form(Ca, "### ### ###", rules::canada, Likely, CA),
    form(Ca, "#########", rules::canada, Likely, CA),
    form(Nl, "#########", rules::netherlands, Likely, NL),
    form(Nl, "####.##.###", rules::netherlands, Certain, NL),
];
