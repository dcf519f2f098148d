//! Names that say of which future or option a row is.

use crate::dataset::names::Names;

/// What a name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivative {
    /// The whole contract of an option: `contractSymbol`.
    Contract,
    /// The strike, or whether it is a call or a put.
    Option,
    /// When it expires, as futures do too.
    Expiry,
}

/// Names without case and punctuation. Those that mean other things elsewhere (`type`, `right`, `exdate`) are not among
/// them.
const CONTRACT: [&str; 4] = ["contractsymbol", "optionsymbol", "occsymbol", "osisymbol"];
const OPTION: [&str; 17] = [
    "strike",
    "strikeprice",
    "strikepr",
    "strikeprc",
    "strkpric",
    "optionstrike",
    "optiontype",
    "optiontyp",
    "optntp",
    "optiontp",
    "optionright",
    "putcall",
    "putcallind",
    "callput",
    "callputind",
    "cpflag",
    "pcflag",
];
const EXPIRY: [&str; 10] = [
    "expiry",
    "expirydate",
    "expirydt",
    "expiration",
    "expirationdate",
    "expirationdt",
    "expdate",
    "expiredate",
    "xprydt",
    "contractexpiry",
];

impl Derivative {
    /// What rows with such a column are.
    pub fn words(self) -> &'static str {
        match self {
            Self::Contract | Self::Option => "options",
            Self::Expiry => "futures or options",
        }
    }

    /// What a name, without case and punctuation, says.
    pub fn of(plain: &str) -> Option<Self> {
        match plain {
            name if CONTRACT.contains(&name) => Some(Self::Contract),
            name if OPTION.contains(&name) => Some(Self::Option),
            name if EXPIRY.contains(&name) => Some(Self::Expiry),
            _ => None,
        }
    }
}

/// The column that says it best.
pub fn find<'a>(names: &Names<'a>) -> Option<(&'a str, Derivative)> {
    let said = (0..names.all.len())
        .filter_map(|index| Some((names.all[index], Derivative::of(names.plain(index))?)));
    said.min_by_key(|(_, what)| *what as u8)
}
