//! Events for people: a live display where a terminal shows it, one plain line for each change of state elsewhere.

use super::event::{Event, Listener};
use super::live::Live;
use super::screen::Screen;
use super::sentence::{self, Weight};
use std::time::Duration;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Failures and warnings only.
    Quiet,
    /// A live display; results stay above it.
    Live,
    /// A line with its time for each change of state.
    Plain,
}

/// Tells people.
pub struct Human {
    screen: Screen,
    manner: Manner,
    live: Live,
}

impl Human {
    /// Speaks to this screen.
    pub fn new(screen: Screen, manner: Manner) -> Self {
        Self { screen, manner, live: Live::default() }
    }
}

impl Listener for Human {
    fn hear(&mut self, event: &Event) {
        let said = sentence::of(&event.kind);
        let wanted = match self.manner {
            Manner::Quiet => Weight::Serious,
            Manner::Live => Weight::Lasting,
            Manner::Plain => Weight::Passing,
        };
        let text = (said.weight >= wanted).then(|| said.tone.paint(&said.text));
        match (self.manner, text) {
            (Manner::Live, text) => {
                self.live.hear(event);
                match text {
                    Some(text) => self.screen.line_above(&text, self.live.lines()),
                    None => self.screen.live(self.live.lines()),
                }
            }
            (Manner::Plain, Some(text)) => {
                self.screen.line(&format!("{} {text}", event.at.strftime("%H:%M:%SZ")));
            }
            (Manner::Quiet, Some(text)) => self.screen.line(&text),
            (Manner::Plain | Manner::Quiet, None) => {}
        }
    }

    fn tick(&mut self, elapsed: Duration) {
        if self.manner == Manner::Live {
            self.live.tick(elapsed);
            self.screen.live(self.live.lines());
        }
    }
}

impl Drop for Human {
    fn drop(&mut self) {
        // A run that ends without its last event must not leave the display behind.
        self.screen.live(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::all;
    use super::super::screen::tests::screen;
    use super::*;

    fn told(manner: Manner, terminal: bool) -> String {
        let (screen, paper) = screen(terminal);
        let mut human = Human::new(screen, manner);
        for (kind, _) in all() {
            let at = "2026-01-02T03:12:45.678Z".parse().expect("time");
            human.hear(&Event { at, elapsed: Duration::from_secs(1), kind });
            human.tick(Duration::from_secs(2));
        }
        drop(human);
        paper.text()
    }

    #[test]
    fn plain_lines_have_their_time_and_no_escapes() {
        let text = told(Manner::Plain, false);
        assert!(
            text.contains(
                "03:12:45Z pod/coredns-abc (kube-system): replaced by coredns-xyz on node n1, Ready after 4.2s\n"
            ),
            "{text}"
        );
        assert_eq!(text.lines().count(), all().len());
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn quiet_still_tells_what_failed() {
        let text = told(Manner::Quiet, true);
        assert!(text.contains("failed (CrashLoopBackOff)") && text.contains("warning: b"));
        assert!(!text.contains("evict") && !text.contains("replaced by"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn the_live_display_is_gone_in_the_end_and_results_stay() {
        let text = told(Manner::Live, true);
        assert!(text.contains("replaced by coredns-xyz"));
        assert!(!text.contains(": evicting\n\n"));
        assert!(text.ends_with("1 of 2 pods was recycled\n"), "{text:?}");
    }
}
