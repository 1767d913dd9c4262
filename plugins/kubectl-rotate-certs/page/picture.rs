//! The picture: on the left who trusts, in the middle the CAs, on the right what they signed.
//!
//! It is drawn twice, for wide and for narrow pages, and the style sheet shows one of them: text in a picture that
//! shrinks with its page cannot be read.

use rotation_core::tell::page::mark::Mark;
use rotation_core::tell::page::text::Shown;
use rotation_core::tell::page::{Markup, html};
use rotation_core::tell::width::shorten;

/// Nodes of one side that a picture has.
const NODES: usize = 14;

/// All that is in a picture.
pub(super) struct Picture {
    /// What makes ids in the page its own.
    pub(super) id: &'static str,
    pub(super) title: String,
    /// Whether it is about keys for tokens instead of CAs.
    pub(super) is_key: bool,
    pub(super) authorities: Vec<Authority>,
    pub(super) verifiers: Vec<Node>,
    pub(super) presenters: Vec<Node>,
}

/// A generation.
pub(super) struct Authority {
    pub(super) name: String,
    /// `old`, `new`, `current`.
    pub(super) age: &'static str,
    pub(super) is_old: bool,
    pub(super) key: String,
    pub(super) times: String,
}

/// Places of one role that are alike.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) who: String,
    /// Indices of [`Picture::authorities`].
    pub(super) links: Vec<usize>,
    pub(super) wrong: Option<&'static str>,
}

/// The picture, wide and narrow.
pub(super) fn draw(picture: &Picture) -> Markup {
    html! { (wide(picture)) (narrow(picture)) }
}

/// Where things stand in the wide one.
mod at {
    pub(super) const WIDTH: f64 = 880.0;
    pub(super) const LEFT: f64 = 286.0;
    pub(super) const BOX: f64 = 336.0;
    pub(super) const BOX_END: f64 = 566.0;
    pub(super) const RIGHT: f64 = 616.0;
    pub(super) const HEAD: f64 = 30.0;
    pub(super) const BOX_HEIGHT: f64 = 70.0;
    pub(super) const BOX_STEP: f64 = 96.0;
    pub(super) const NODE: f64 = 44.0;
    pub(super) const NODE_WRONG: f64 = 60.0;
}

fn wide(picture: &Picture) -> Markup {
    let sides = [&picture.verifiers, &picture.presenters];
    #[expect(clippy::cast_precision_loss, reason = "a place on paper")]
    let boxes = picture.authorities.len() as f64 * at::BOX_STEP;
    let heights = sides.map(|side| side.iter().take(NODES).map(height).sum::<f64>());
    let body = boxes.max(heights[0]).max(heights[1]);
    let [left, right] = [(sides[0], heights[0]), (sides[1], heights[1])]
        .map(|(side, height)| tops(side, at::HEAD + (body - height) / 2.0));
    #[expect(clippy::cast_precision_loss, reason = "a place on paper")]
    let middle = |index: usize| {
        at::HEAD + body * (index as f64 + 0.5) / picture.authorities.len().max(1) as f64
    };
    let total = at::HEAD + body + more(picture);
    let id = format!("t-{}-wide", picture.id);
    html! {
        svg class="trust wide" viewBox={ "0 0 " (at::WIDTH) " " (total) } role="img" aria-labelledby={ (id) " " (id) "-d" } {
            title id=(id) { (picture.title) }
            desc id={ (id) "-d" } { (describe(picture)) }
            g class="column" {
                text x=(at::LEFT - 12.0) y="14" text-anchor="end" { "who trusts" }
                text x=(f64::midpoint(at::BOX, at::BOX_END)) y="14" text-anchor="middle" { (middle_name(picture)) }
                text x=(at::RIGHT + 12.0) y="14" { "what it signed" }
            }
            g class="links" {
                @for (node, y) in picture.verifiers.iter().zip(&left) {
                    @for link in &node.links { (edge((at::LEFT + 8.0, *y), (at::BOX, middle(*link)), &picture.authorities[*link])) }
                }
                @for (node, y) in picture.presenters.iter().zip(&right) {
                    @for link in &node.links { (edge((at::BOX_END, middle(*link)), (at::RIGHT - 8.0, *y), &picture.authorities[*link])) }
                }
            }
            @for (index, authority) in picture.authorities.iter().enumerate() {
                (boxed(authority, at::BOX, middle(index) - at::BOX_HEIGHT / 2.0, at::BOX_END - at::BOX))
            }
            @for (node, y) in picture.verifiers.iter().zip(&left) { (text(node, at::LEFT, *y, true, 36)) }
            @for (node, y) in picture.presenters.iter().zip(&right) { (text(node, at::RIGHT, *y, false, 33)) }
            @for (side, x, anchor) in [(&picture.verifiers, at::LEFT, "end"), (&picture.presenters, at::RIGHT, "start")] {
                @if side.len() > NODES {
                    text class="who" x=(x) y=(total - 6.0) text-anchor=(anchor) { "and " (side.len() - NODES) " more" }
                }
            }
        }
    }
}

/// The same from top to bottom: each CA, and below it both sides.
fn narrow(picture: &Picture) -> Markup {
    const WIDTH: f64 = 360.0;
    const HALF: f64 = 188.0;
    let mut y = 4.0;
    let mut parts: Vec<Markup> = Vec::new();
    let column = |title: &str, nodes: &[&Node], x: f64, top: f64| {
        let mut below = top + 34.0;
        let tops: Vec<f64> = nodes
            .iter()
            .take(NODES)
            .map(|node| {
                let own = below;
                below += height(node);
                own
            })
            .collect();
        let end = below;
        let drawn = html! {
            g class="column" { text x=(x + 12.0) y=(top + 14.0) { (title) } }
            @if let Some(last) = tops.last() { line class="stem" x1=(x) x2=(x) y1=(top) y2=(*last) {} }
            @for (node, own) in nodes.iter().zip(&tops) { (text(node, x, *own, false, 24)) }
            @if nodes.len() > NODES { text class="who" x=(x + 12.0) y=(end) { "and " (nodes.len() - NODES) " more" } }
        };
        (drawn, if nodes.len() > NODES { end + 16.0 } else { end })
    };
    for (index, authority) in picture.authorities.iter().enumerate() {
        let linked = |nodes: &'_ [Node]| -> Vec<usize> {
            (0..nodes.len()).filter(|at| nodes[*at].links.contains(&index)).collect()
        };
        let of = |nodes: &'_ [Node]| linked(nodes);
        let (trusting, signed) = (of(&picture.verifiers), of(&picture.presenters));
        let trusting: Vec<&Node> = trusting.iter().map(|at| &picture.verifiers[*at]).collect();
        let signed: Vec<&Node> = signed.iter().map(|at| &picture.presenters[*at]).collect();
        parts.push(boxed(authority, 1.0, y, WIDTH - 2.0));
        let top = y + at::BOX_HEIGHT;
        let (left, left_end) = column("is trusted by", &trusting, 8.0, top);
        let (right, right_end) = column("signed", &signed, HALF, top);
        parts.extend([left, right]);
        y = left_end.max(right_end) + 8.0;
    }
    let loose = |nodes: &'_ [Node]| -> Vec<usize> {
        (0..nodes.len()).filter(|at| nodes[*at].links.is_empty()).collect()
    };
    let (trusting, signed) = (loose(&picture.verifiers), loose(&picture.presenters));
    if !trusting.is_empty() || !signed.is_empty() {
        let trusting: Vec<&Node> = trusting.iter().map(|at| &picture.verifiers[*at]).collect();
        let signed: Vec<&Node> = signed.iter().map(|at| &picture.presenters[*at]).collect();
        let (left, left_end) = column("under none of these", &trusting, 8.0, y);
        let (right, right_end) = column("of none of these", &signed, HALF, y);
        parts.extend([left, right]);
        y = left_end.max(right_end);
    }
    let id = format!("t-{}-narrow", picture.id);
    html! {
        svg class="trust narrow" viewBox={ "0 0 " (WIDTH) " " (y) } role="img" aria-labelledby={ (id) " " (id) "-d" } {
            title id=(id) { (picture.title) }
            desc id={ (id) "-d" } { (describe(picture)) }
            @for part in &parts { (part) }
        }
    }
}

fn middle_name(picture: &Picture) -> &'static str {
    match (picture.is_key, picture.authorities.len()) {
        (true, 1) => "key",
        (true, _) => "keys",
        (false, 1) => "CA",
        (false, _) => "CAs",
    }
}

fn height(node: &Node) -> f64 {
    if node.wrong.is_some() { at::NODE_WRONG } else { at::NODE }
}

/// Room below for what does not fit.
fn more(picture: &Picture) -> f64 {
    let is_long = picture.verifiers.len().max(picture.presenters.len()) > NODES;
    if is_long { 24.0 } else { 4.0 }
}

/// The line of each node's name and dot.
fn tops(side: &[Node], from: f64) -> Vec<f64> {
    let mut below = from + 14.0;
    let top = |node: &Node| {
        let own = below;
        below += height(node);
        own
    };
    side.iter().take(NODES).map(top).collect()
}

/// Old ones are dashed: a line says the same without its colour.
fn edge((x1, y1): (f64, f64), (x2, y2): (f64, f64), authority: &Authority) -> Markup {
    let half = f64::midpoint(x1, x2);
    let class = if authority.is_old { "old" } else { "now" };
    html! { path class=(class) d={ "M" (round(x1)) " " (round(y1)) "C" (round(half)) " " (round(y1)) " " (round(half)) " " (round(y2)) " " (round(x2)) " " (round(y2)) } {} }
}

fn boxed(authority: &Authority, x: f64, y: f64, width: f64) -> Markup {
    let class = if authority.is_old { "authority old" } else { "authority now" };
    html! {
        g class=(class) {
            rect x=(round(x)) y=(round(y)) width=(round(width)) height=(at::BOX_HEIGHT) rx="6" {}
            text class="title" x=(round(x + 12.0)) y=(round(y + 21.0)) { (Shown(&shorten(&authority.name, 30))) }
            text class="who" x=(round(x + 12.0)) y=(round(y + 40.0)) { (authority.age) ", key " (authority.key) }
            text class="who" x=(round(x + 12.0)) y=(round(y + 57.0)) { (authority.times) }
        }
    }
}

fn text(node: &Node, x: f64, y: f64, is_left: bool, columns: usize) -> Markup {
    let anchor = if is_left { "end" } else { "start" };
    let to = if is_left { x - 12.0 } else { x + 12.0 };
    html! {
        g class="node" {
            @if node.wrong.is_some() {
                (Mark::Bad.shape().place("bad", round(x - 8.0), round(y - 8.0)))
            } @else {
                circle cx=(round(x)) cy=(round(y)) r="4" {}
            }
            text class="title" x=(round(to)) y=(round(y + 4.5)) text-anchor=(anchor) { (Shown(&shorten(&node.name, columns))) }
            text class="who" x=(round(to)) y=(round(y + 21.0)) text-anchor=(anchor) { (Shown(&shorten(&node.who, columns))) }
            @if let Some(wrong) = node.wrong {
                text class="wrong" x=(round(to)) y=(round(y + 38.0)) text-anchor=(anchor) { (wrong) }
            }
        }
    }
}

/// The whole picture in words.
fn describe(picture: &Picture) -> Markup {
    let linked = |nodes: &[Node], index: usize| -> Vec<usize> {
        (0..nodes.len()).filter(|at| nodes[*at].links.contains(&index)).collect()
    };
    html! {
        @for (index, authority) in picture.authorities.iter().enumerate() {
            (Shown(&authority.name)) " (" (authority.age) ") is trusted by: "
            (words(&picture.verifiers, &linked(&picture.verifiers, index)))
            ". It signed: "
            (words(&picture.presenters, &linked(&picture.presenters, index)))
            ". "
        }
    }
}

fn words(nodes: &[Node], linked: &[usize]) -> Markup {
    html! {
        @if linked.is_empty() { "nothing" }
        @for (number, at) in linked.iter().take(NODES).enumerate() {
            @if number > 0 { "; " }
            (nodes[*at].name) " of " (Shown(&nodes[*at].who))
            @if let Some(wrong) = nodes[*at].wrong { ", which " (wrong) }
        }
    }
}

/// Half pixels are enough.
fn round(number: f64) -> f64 {
    (number * 2.0).round() / 2.0
}
