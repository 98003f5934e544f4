//! What numbers of a country look like behind its calling code: how many digits they have, with which they begin, and which
//! of them are of mobile telephones (ITU-T E.164, national numbering plans as communicated to the ITU).
//!
//! Only for numbers without a plus sign: with one, the code alone says enough.

/// The numbers of a country.
pub(super) struct Plan {
    code: &'static [u8],
    /// Digits behind the code: the fewest and the most.
    digits: (usize, usize),
    /// The first of them.
    first: &'static [u8],
    /// How numbers of mobile telephones begin, and how many digits these have.
    mobile: &'static [(&'static [u8], usize)],
}

impl Plan {
    pub(super) fn code_len(&self) -> usize {
        self.code.len()
    }

    /// Whether digits behind the code can be a number.
    pub(super) fn fits(&self, digits: &[u8]) -> bool {
        let (least, most) = self.digits;
        let is_american = self.code != [1] || matches!(digits.get(3), Some(2..=9));
        (least..=most).contains(&digits.len())
            && digits.first().is_some_and(|first| self.first.contains(first))
            && is_american
    }

    /// Whether they are one of a mobile telephone.
    pub(super) fn is_mobile(&self, digits: &[u8]) -> bool {
        self.mobile.iter().any(|(begins, length)| digits.len() == *length && digits.starts_with(begins))
    }
}

/// The plan of the country whose code digits begin with.
pub(super) fn of(digits: &[u8]) -> Option<&'static Plan> {
    PLANS.iter().find(|plan| digits.starts_with(plan.code))
}

const fn plan(
    code: &'static [u8],
    digits: (usize, usize),
    first: &'static [u8],
    mobile: &'static [(&'static [u8], usize)],
) -> Plan {
    Plan { code, digits, first, mobile }
}

const ANY: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];

/// No code is the beginning of another.
const PLANS: &[Plan] = &[
    // North America: numbers of mobile telephones are like all others.
    plan(&[1], (10, 10), &[2, 3, 4, 5, 6, 7, 8, 9], &[]),
    plan(&[7], (10, 10), &[3, 4, 6, 7, 8, 9], &[(&[9], 10), (&[7, 0], 10), (&[7, 7], 10)]),
    plan(&[2, 0], (8, 10), ANY, &[(&[1, 0], 10), (&[1, 1], 10), (&[1, 2], 10), (&[1, 5], 10)]),
    plan(&[2, 7], (9, 9), ANY, &[(&[6], 9), (&[7], 9), (&[8], 9)]),
    plan(&[3, 0], (10, 10), &[2, 6, 8], &[(&[6, 9], 10)]),
    plan(&[3, 1], (9, 9), ANY, &[(&[6], 9)]),
    plan(&[3, 2], (8, 9), ANY, &[(&[4], 9)]),
    plan(&[3, 3], (9, 9), ANY, &[(&[6], 9), (&[7], 9)]),
    plan(&[3, 4], (9, 9), &[6, 7, 8, 9], &[(&[6], 9), (&[7, 1], 9), (&[7, 2], 9), (&[7, 3], 9), (&[7, 4], 9)]),
    plan(&[3, 6], (8, 9), ANY, &[(&[2, 0], 9), (&[3, 0], 9), (&[3, 1], 9), (&[5, 0], 9), (&[7, 0], 9)]),
    plan(&[3, 9], (8, 11), &[0, 3], &[(&[3], 10)]),
    plan(&[4, 0], (9, 9), &[2, 3, 7], &[(&[7], 9)]),
    plan(&[4, 1], (9, 9), ANY, &[(&[7, 5], 9), (&[7, 6], 9), (&[7, 7], 9), (&[7, 8], 9), (&[7, 9], 9)]),
    plan(&[4, 3], (9, 12), ANY, &[(&[6, 5], 10), (&[6, 6], 10), (&[6, 7], 10), (&[6, 8], 10), (&[6, 9], 10)]),
    plan(&[4, 4], (9, 10), &[1, 2, 3, 5, 7, 8], &[(&[7], 10)]),
    plan(&[4, 5], (8, 8), &[2, 3, 4, 5, 6, 7, 8, 9], &[]),
    plan(&[4, 6], (8, 9), ANY, &[(&[7], 9)]),
    plan(&[4, 7], (8, 8), &[2, 3, 4, 5, 6, 7, 9], &[]),
    plan(
        &[4, 8],
        (9, 9),
        ANY,
        &[
            (&[4, 5], 9),
            (&[5, 0], 9),
            (&[5, 1], 9),
            (&[5, 3], 9),
            (&[5, 7], 9),
            (&[6, 0], 9),
            (&[6, 6], 9),
            (&[6, 9], 9),
            (&[7, 2], 9),
            (&[7, 3], 9),
            (&[7, 8], 9),
            (&[7, 9], 9),
            (&[8, 8], 9),
        ],
    ),
    plan(
        &[4, 9],
        (9, 11),
        ANY,
        &[(&[1, 5], 10), (&[1, 5], 11), (&[1, 6], 10), (&[1, 6], 11), (&[1, 7], 10), (&[1, 7], 11)],
    ),
    plan(&[5, 2], (10, 10), ANY, &[]),
    plan(&[5, 4], (10, 11), ANY, &[(&[9], 11)]),
    plan(&[5, 5], (10, 11), ANY, &[]),
    plan(&[5, 6], (9, 9), ANY, &[(&[9], 9)]),
    plan(&[5, 7], (10, 10), &[3, 6], &[(&[3], 10)]),
    plan(&[6, 0], (8, 10), ANY, &[(&[1], 9), (&[1, 1], 10)]),
    plan(&[6, 1], (9, 9), ANY, &[(&[4], 9)]),
    plan(&[6, 2], (8, 12), ANY, &[(&[8, 1], 11), (&[8, 5], 11), (&[8, 7], 11)]),
    plan(&[6, 3], (10, 10), ANY, &[(&[9], 10)]),
    plan(&[6, 4], (8, 10), ANY, &[(&[2, 1], 9), (&[2, 7], 9)]),
    plan(&[6, 5], (8, 8), &[3, 6, 8, 9], &[]),
    plan(&[6, 6], (8, 9), ANY, &[(&[6], 9), (&[8], 9), (&[9], 9)]),
    plan(&[8, 1], (9, 10), ANY, &[(&[7, 0], 10), (&[8, 0], 10), (&[9, 0], 10)]),
    plan(&[8, 2], (8, 10), ANY, &[(&[1, 0], 10)]),
    plan(&[8, 4], (9, 10), ANY, &[(&[9], 9), (&[3], 9)]),
    plan(
        &[8, 6],
        (10, 11),
        ANY,
        &[(&[1, 3], 11), (&[1, 4], 11), (&[1, 5], 11), (&[1, 6], 11), (&[1, 7], 11), (&[1, 8], 11), (&[1, 9], 11)],
    ),
    plan(&[9, 0], (10, 10), &[2, 3, 4, 5, 8], &[(&[5], 10)]),
    plan(&[9, 1], (10, 10), ANY, &[(&[6], 10), (&[7], 10), (&[8], 10), (&[9], 10)]),
    plan(&[9, 2], (9, 10), ANY, &[(&[3], 10)]),
    plan(&[9, 8], (10, 10), ANY, &[(&[9], 10)]),
    plan(&[3, 5, 1], (9, 9), &[2, 3, 7, 8, 9], &[(&[9], 9)]),
    plan(&[3, 5, 2], (8, 9), ANY, &[(&[6], 9)]),
    plan(&[3, 5, 3], (7, 9), ANY, &[(&[8], 9)]),
    plan(&[3, 5, 8], (8, 10), ANY, &[(&[4], 9), (&[5, 0], 9)]),
    plan(&[3, 5, 9], (7, 9), ANY, &[(&[8], 9), (&[9, 8], 9)]),
    plan(&[3, 7, 0], (8, 8), ANY, &[(&[6], 8)]),
    plan(&[3, 7, 1], (8, 8), ANY, &[(&[2], 8)]),
    plan(&[3, 7, 2], (7, 8), ANY, &[(&[5], 8)]),
    plan(&[3, 8, 0], (9, 9), ANY, &[(&[5, 0], 9), (&[6], 9), (&[7, 3], 9), (&[9], 9)]),
    plan(&[3, 8, 1], (8, 9), ANY, &[(&[6], 9)]),
    plan(&[3, 8, 5], (8, 9), ANY, &[(&[9], 9)]),
    plan(&[3, 8, 6], (8, 8), ANY, &[(&[3, 1], 8), (&[4, 0], 8), (&[4, 1], 8), (&[5, 1], 8), (&[7, 0], 8)]),
    plan(&[4, 2, 0], (9, 9), &[2, 3, 4, 5, 6, 7, 9], &[(&[6], 9), (&[7], 9)]),
    plan(&[4, 2, 1], (9, 9), ANY, &[(&[9], 9)]),
    plan(&[8, 5, 2], (8, 8), ANY, &[(&[5], 8), (&[6], 8), (&[9], 8)]),
    plan(&[8, 8, 6], (8, 9), ANY, &[(&[9], 9)]),
    plan(&[9, 6, 6], (9, 9), ANY, &[(&[5], 9)]),
    plan(&[9, 7, 1], (8, 9), ANY, &[(&[5], 9)]),
    plan(&[9, 7, 2], (8, 9), ANY, &[(&[5], 9)]),
];
