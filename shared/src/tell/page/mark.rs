//! Shapes that stand beside colours: whoever sees no colours, or prints in black, reads the same.

use maud::{Markup, html};

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// Something fails, or will.
    Bad,
    /// Something will break one day, or is half done.
    Warning,
    /// Worth knowing.
    Note,
    /// As it should be.
    Good,
}

/// A shape of the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A square with a cross: failed.
    Cross,
    /// A triangle.
    Triangle,
    /// A ring with a dot.
    Ring,
    /// A check mark in a disc.
    Check,
    /// A disc: all of it.
    Disc,
    /// An empty circle: none of it.
    Circle,
    /// Half of a disc.
    Half,
    /// An empty diamond: something of its own.
    Diamond,
    /// A question mark.
    Question,
    /// A stroke: nothing is there.
    Stroke,
}

impl Mark {
    /// The class by which the style sheet colours it.
    pub fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warning => "warning",
            Self::Note => "note",
            Self::Good => "good",
        }
    }

    /// Its shape.
    pub fn shape(self) -> Shape {
        match self {
            Self::Bad => Shape::Cross,
            Self::Warning => Shape::Triangle,
            Self::Note => Shape::Ring,
            Self::Good => Shape::Check,
        }
    }
}

impl Shape {
    const ALL: [Self; 10] = [
        Self::Cross,
        Self::Triangle,
        Self::Ring,
        Self::Check,
        Self::Disc,
        Self::Circle,
        Self::Half,
        Self::Diamond,
        Self::Question,
        Self::Stroke,
    ];

    fn id(self) -> &'static str {
        match self {
            Self::Cross => "s-cross",
            Self::Triangle => "s-triangle",
            Self::Ring => "s-ring",
            Self::Check => "s-check",
            Self::Disc => "s-disc",
            Self::Circle => "s-circle",
            Self::Half => "s-half",
            Self::Diamond => "s-diamond",
            Self::Question => "s-question",
            Self::Stroke => "s-stroke",
        }
    }

    /// Drawn in a square of 16 by 16.
    fn drawing(self) -> Markup {
        html! {
            @match self {
                Self::Cross => {
                    rect x="1" y="1" width="14" height="14" rx="2" fill="currentColor" {}
                    path class="paper" d="M5 5l6 6M11 5l-6 6" {}
                }
                Self::Triangle => {
                    path d="M8 1.2 15.4 14.6H.6z" fill="currentColor" {}
                    path class="paper" d="M8 5.6v4.2M8 11.7v1.3" {}
                }
                Self::Ring => {
                    circle class="line" cx="8" cy="8" r="6.2" {}
                    path class="line" d="M8 7.3v4.2M8 4.2v1.3" {}
                }
                Self::Check => {
                    circle cx="8" cy="8" r="7" fill="currentColor" {}
                    path class="paper" d="M4.6 8.3 7 10.7l4.4-5" {}
                }
                Self::Disc => circle cx="8" cy="8" r="6" fill="currentColor" {},
                Self::Circle => circle class="line" cx="8" cy="8" r="5.2" {},
                Self::Half => {
                    circle class="line" cx="8" cy="8" r="5.2" {}
                    path d="M8 2.8a5.2 5.2 0 0 1 0 10.4z" fill="currentColor" {}
                }
                Self::Diamond => path class="line" d="M8 1.8 14.2 8 8 14.2 1.8 8z" {},
                Self::Question => path class="line" d="M5 5.6a3 3 0 1 1 4.6 2.5C8.5 8.8 8 9.3 8 10.6M8 13v1.3" {},
                Self::Stroke => path class="line" d="M3 8h10" {},
            }
        }
    }

    /// The shape, with the line that it stands in. It says nothing by itself: a word stands beside it.
    pub fn draw(self, class: &str) -> Markup {
        html! { svg class={ "shape " (class) } width="16" height="16" aria-hidden="true" { use href={ "#" (self.id()) } {} } }
    }

    /// The same inside of a picture, with its upper left corner there.
    pub fn place(self, class: &str, x: f64, y: f64) -> Markup {
        html! { use class={ "shape " (class) } href={ "#" (self.id()) } x=(x) y=(y) width="16" height="16" {} }
    }
}

/// All shapes once, for the head of a document.
pub(super) fn shapes() -> Markup {
    html! {
        svg class="shapes" width="0" height="0" aria-hidden="true" {
            @for shape in Shape::ALL { symbol id=(shape.id()) viewBox="0 0 16 16" { (shape.drawing()) } }
        }
    }
}

/// A mark with its word.
pub fn tag(mark: Mark, word: &str) -> Markup {
    html! { span class={ "tag " (mark.class()) } { (mark.shape().draw("")) (word) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_has_a_shape_of_its_own() {
        let all = [Mark::Bad, Mark::Warning, Mark::Note, Mark::Good];
        let different: std::collections::BTreeSet<&str> =
            all.iter().map(|mark| mark.shape().id()).collect();
        assert_eq!(different.len(), all.len());
        let page = shapes().into_string();
        for shape in Shape::ALL {
            assert_eq!(page.matches(&format!("id=\"{}\"", shape.id())).count(), 1);
        }
    }
}
