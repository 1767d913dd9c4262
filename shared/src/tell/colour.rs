//! Whether a stream gets colours: the flag, then the conventions of the environment, then what the stream is.

/// `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// On a terminal that can show them.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the environment says about colours; set and empty differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `NO_COLOR`: no colours, if it is not empty.
    pub no_color: Option<String>,
    /// `CLICOLOR_FORCE`: colours even off a terminal, if it is neither empty nor `0`.
    pub clicolor_force: Option<String>,
    /// `CLICOLOR`: no colours, if it is `0`.
    pub clicolor: Option<String>,
    /// `TERM`: no colours, if it is `dumb`.
    pub term: Option<String>,
}

/// Whether a stream gets colours.
pub fn wanted(when: When, wishes: &Wishes, terminal: bool) -> bool {
    let is = |value: &Option<String>, what: fn(&str) -> bool| value.as_deref().is_some_and(what);
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            if is(&wishes.no_color, |v| !v.is_empty()) {
                false
            } else if is(&wishes.clicolor_force, |v| !v.is_empty() && v != "0") {
                true
            } else {
                terminal && !is(&wishes.clicolor, |v| v == "0") && !is(&wishes.term, is_dumb)
            }
        }
    }
}

/// Whether a terminal of this name can move its cursor and show colours.
pub fn is_dumb(term: &str) -> bool {
    term == "dumb" || term.is_empty()
}

/// The text as a stream takes it.
pub fn fit(text: &str, colour: bool) -> std::borrow::Cow<'_, str> {
    if colour || !text.contains('\u{1b}') {
        text.into()
    } else {
        anstream::adapter::strip_str(text).to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_no_then_force_then_the_terminal() {
        let set = |name: &str, value: &str| {
            let mut wishes = Wishes { term: Some("xterm".to_owned()), ..Wishes::default() };
            let value = Some(value.to_owned());
            match name {
                "NO_COLOR" => wishes.no_color = value,
                "CLICOLOR_FORCE" => wishes.clicolor_force = value,
                "CLICOLOR" => wishes.clicolor = value,
                "TERM" => wishes.term = value,
                _ => {}
            }
            wishes
        };
        for (when, name, value, on_terminal, in_pipe) in [
            (When::Auto, "", "", true, false),
            (When::Auto, "NO_COLOR", "1", false, false),
            (When::Auto, "NO_COLOR", "", true, false),
            (When::Auto, "CLICOLOR_FORCE", "1", true, true),
            (When::Auto, "CLICOLOR_FORCE", "0", true, false),
            (When::Auto, "CLICOLOR_FORCE", "", true, false),
            (When::Auto, "CLICOLOR", "0", false, false),
            (When::Auto, "CLICOLOR", "1", true, false),
            (When::Auto, "TERM", "dumb", false, false),
            (When::Always, "NO_COLOR", "1", true, true),
            (When::Never, "CLICOLOR_FORCE", "1", false, false),
        ] {
            let wishes = set(name, value);
            assert_eq!(wanted(when, &wishes, true), on_terminal, "{when:?} {name}={value}");
            assert_eq!(wanted(when, &wishes, false), in_pipe, "{when:?} {name}={value}");
        }
        let mut both = set("NO_COLOR", "1");
        both.clicolor_force = Some("1".to_owned());
        assert!(!wanted(When::Auto, &both, true));
    }

    #[test]
    fn styles_vanish_where_they_are_not_wanted() {
        assert_eq!(fit("\u{1b}[31mred\u{1b}[0m", false), "red");
        assert_eq!(fit("\u{1b}[31mred\u{1b}[0m", true), "\u{1b}[31mred\u{1b}[0m");
    }
}
