//! Byte order: the same values packed with `HH` and with `!HH`.

use lab::{Experiment, Limits, Outcome, Parameter, Run, say, text};
use std::time::Duration;
use wire::hex;

use crate::structure::{Format, parse_values, python_bytes};

pub const EXPERIMENT: Experiment = Experiment {
    name: "byte_order",
    title: text("字节序：HH 与 !HH", "Byte order: HH and !HH"),
    lesson: text(
        "<p>0x1234 有两个字节。我们的 PC 是小端，低地址存低位：<code>34 12</code>；网络规定一律用大端：<code>12 34</code>。\
         <code>struct.pack</code> 的格式前加 <code>!</code> 就是网络字节序。格式里可以用 \
         <code>x c b B ? h H i I q Q f d s</code> 和重复次数；<code>@</code>（默认）按本机对齐。",
        "<p>0x1234 has two bytes. A PC is little-endian, the low byte at the low address: <code>34 12</code>. On the \
         network everything is big-endian: <code>12 34</code>. A <code>!</code> before the format of \
         <code>struct.pack</code> means network order. A format may have <code>x c b B ? h H i I q Q f d s</code> with \
         counts; <code>@</code>, the default, aligns as this machine does.",
    ),
    parameters: &[
        Parameter::line(
            "format",
            text("格式（不带字节序）", "Format, without a byte order"),
            40,
            "HH",
        ),
        Parameter::line("values", text("值", "Values"), 200, "1, 2"),
    ],
    source: include_str!("structure.rs"),
    python: include_str!("../lesson/byte_order.py"),
    limits: Limits { time: Duration::from_secs(10), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let bare = run.values.get("format").trim_start_matches(['@', '=', '<', '>', '!']).to_owned();
    let values = parse_values(run.values.get("values"))?;
    let native = Format::parse(&bare)?;
    let network = Format::parse(&format!("!{bare}"))?;
    let (native_bytes, network_bytes) = (native.pack(&values)?, network.pack(&values)?);
    let given: Vec<_> = values.iter().map(ToString::to_string).collect();
    let given = given.join(",");
    for (format, bytes) in [(bare.clone(), &native_bytes), (format!("!{bare}"), &network_bytes)] {
        say!(">>> struct.pack(\"{format}\",{given})");
        say!("{}    {}", python_bytes(bytes), hex::pairs(bytes));
    }
    let title = text("本机字节序", "The order of this machine");
    run.picture(title, &lab::svg::bytes(&native.parts(&native_bytes)));
    let title = text("网络字节序（!）", "Network order (!)");
    run.picture(title, &lab::svg::bytes(&network.parts(&network_bytes)));

    let is_little = cfg!(target_endian = "little");
    let (zh, en) = if is_little { ("小端", "little-endian") } else { ("大端", "big-endian") };
    run.value("machine", text("这台机器", "This machine"), text(zh, en).get(lab::run::lang()));
    let shown = |values: &[crate::structure::Value]| {
        values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let (back, network_back) = (native.unpack(&native_bytes)?, network.unpack(&network_bytes)?);
    run.check(
        text("两种字节序解包得到同样的值", "Both unpack to the same values"),
        shown(&back),
        shown(&network_back),
    );
    if bare == "HH" && given == "1,2" && is_little {
        run.check(
            text("课程：pack(\"HH\",1,2)", "The lesson's pack(\"HH\",1,2)"),
            r"b'\x01\x00\x02\x00'",
            python_bytes(&native_bytes),
        );
        run.check(
            text("课程：pack(\"!HH\",1,2)", "The lesson's pack(\"!HH\",1,2)"),
            r"b'\x00\x01\x00\x02'",
            python_bytes(&network_bytes),
        );
    }
    // Read in the wrong order the values are others: the mistake that `!` avoids.
    if let Ok(mistaken) =
        Format::parse(&format!("<{bare}")).and_then(|format| format.unpack(&network_bytes))
    {
        let (zh, en) = (shown(&mistaken), shown(&back));
        say!(
            "按小端去读网络字节序：{zh}（应为 {en}）"
                | "network order read as little-endian: {zh} (meant: {en})"
        );
    }
    Ok(())
}
