//! A picture of a conversation: two lifelines and an arrow for each message.

use lab::svg::Svg;
use lab::text;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrow {
    pub is_from_left: bool,
    pub label: String,
    /// It never arrived: the arrow ends half way.
    pub is_lost: bool,
}

/// Narrow enough to be read on a phone.
const WIDTH: f64 = 540.0;
const LEFT: f64 = 40.0;
const RIGHT: f64 = WIDTH - LEFT;
const STEP: f64 = 40.0;
/// Arrows of a picture at most.
const ARROW_LIMIT: usize = 48;

/// The client is on the left.
pub fn ladder(arrows: &[Arrow]) -> Svg {
    let lang = lab::run::lang();
    let (left, right) = (text("客户端", "client").get(lang), text("服务器", "server").get(lang));
    let drawn = &arrows[..arrows.len().min(ARROW_LIMIT)];
    let more = arrows.len() - drawn.len();
    let bottom = 44.0 + drawn.len() as f64 * STEP;
    let mut svg = Svg::new(WIDTH, bottom + if more > 0 { 30.0 } else { 8.0 });
    for (x, name) in [(LEFT, left), (RIGHT, right)] {
        svg.text(x, 18.0, "middle", name).line((x, 28.0), (x, bottom), "soft");
    }
    for (index, arrow) in drawn.iter().enumerate() {
        draw(&mut svg, 52.0 + index as f64 * STEP, arrow);
    }
    if more > 0 {
        svg.text(WIDTH / 2.0, bottom + 18.0, "middle small", format!("… +{more}"));
    }
    svg
}

fn draw(svg: &mut Svg, y: f64, arrow: &Arrow) {
    let (from, to) = if arrow.is_from_left { (LEFT, RIGHT) } else { (RIGHT, LEFT) };
    svg.text(WIDTH / 2.0, y - 4.0, "middle small", &arrow.label);
    if arrow.is_lost {
        let end = (from + to) / 2.0;
        svg.line((from, y + 4.0), (end, y + 10.0), "bad")
            .line((end - 6.0, y + 4.0), (end + 6.0, y + 16.0), "bad")
            .line((end - 6.0, y + 16.0), (end + 6.0, y + 4.0), "bad");
    } else {
        svg.arrow((from, y + 4.0), (to, y + 14.0), "line");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_has_its_arrows_and_says_how_many_it_left_out() {
        let arrow = Arrow { is_from_left: true, label: "SYN <1>".to_owned(), is_lost: false };
        let svg = ladder(&vec![arrow; 70]).finish("open");
        assert_eq!(svg.matches("SYN &lt;1&gt;").count(), ARROW_LIMIT);
        assert!(svg.contains("… +22") && svg.contains(">client<"));
    }
}
