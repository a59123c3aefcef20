//! Width and colours of the terminal.

use std::io::IsTerminal;

use comfy_table::Table;

/// Width of a terminal that says that it has no columns, as serial consoles and some containers do.
const USUAL_WIDTH: u16 = 80;

/// The output that tables are laid out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Screen {
    /// Columns; unlimited if `None`.
    pub width: Option<u16>,
    pub has_colours: bool,
}

impl Screen {
    /// A file: unlimited width, no colours.
    pub const FILE: Self = Self { width: None, has_colours: false };

    /// Standard output. A terminal has a width, and colours unless `NO_COLOR` or `TERM=dumb` is set; anything else has
    /// colours only with `CLICOLOR_FORCE`.
    pub fn of_standard_output() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let variable = |name: &str| std::env::var(name).ok();
        let width = Table::new().width().map(sensible);
        Self { width, has_colours: has_colours(is_terminal, variable) }
    }
}

fn sensible(width: u16) -> u16 {
    if width == 0 { USUAL_WIDTH } else { width }
}

/// Follows <https://no-color.org> and <https://bixense.com/clicolors>.
fn has_colours(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    if is_set("NO_COLOR") {
        return false;
    }
    if is_set("CLICOLOR_FORCE") && variable("CLICOLOR_FORCE").as_deref() != Some("0") {
        return true;
    }
    is_terminal && variable("TERM").as_deref() != Some("dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(is_terminal: bool, set: &[(&str, &str)]) -> bool {
        has_colours(is_terminal, |name| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_terminal_without_columns_has_the_usual_width() {
        assert_eq!((sensible(0), sensible(1), sensible(200)), (80, 1, 200));
    }

    #[test]
    fn colours_by_terminal_and_environment() {
        assert!(with(true, &[("TERM", "xterm")]));
        assert!(!with(false, &[("TERM", "xterm")]), "piped");
        assert!(!with(true, &[("TERM", "xterm"), ("NO_COLOR", "1")]));
        assert!(with(true, &[("NO_COLOR", "")]), "empty counts as unset");
        assert!(!with(true, &[("TERM", "dumb")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(true, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    }
}
