//! Chapter 8: the mistakes of the lesson's web server, each beside what is right.

mod lesson;
mod right;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use lab::{Experiment, Limits, Outcome, Run, lang, say, text};

use crate::echo::listen;
use crate::load::PATIENCE;
use crate::running::Running;

/// Longer than one `read(1024)`.
const LONG: usize = 5000;
/// The first bytes of a PNG; they are no UTF-8.
const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

pub const EXPERIMENT: Experiment = Experiment {
    name: "web",
    title: text("课程的 Web 服务器（第 8 章）", "The lesson's web server (chapter 8)"),
    lesson: text(
        "<p>课程的动态 Web 服务器有几处错误，逐个用真实的请求让它们出现，再看改正后的：</p>\
         <ul><li><code>\"HTTP/1.1\" + status</code>：少一个空格，起始行成了 <code>HTTP/1.1200 OK</code>，\
         严格的客户端拒绝它。<li>404 的正文总是 <code>xxx.py not found</code>，不管请求的是什么。\
         <li><code>file.read(1024)</code> 只送出文件的前 1024 字节，也没有 Content-Length，浏览器看不出少了。\
         <li>图片不能 <code>decode(\"utf-8\")</code>：异常，连接没有回答就断了。\
         <li><code>/../</code> 可以读到 html 之外的文件。</ul>",
        "<p>The lesson's dynamic web server has some mistakes. Real requests bring each of them out, and \
         then show what is right:</p>\
         <ul><li><code>\"HTTP/1.1\" + status</code>: a space is missing, the status line is \
         <code>HTTP/1.1200 OK</code>, and a strict client refuses it.\
         <li>The body of a 404 is always <code>xxx.py not found</code>, whatever was asked for.\
         <li><code>file.read(1024)</code> sends the first 1024 bytes of a file, and without a Content-Length \
         the browser cannot see that some are missing.\
         <li>A picture cannot be decoded as UTF-8: an exception, and the connection ends unanswered.\
         <li><code>/../</code> reads files outside of html.</ul>",
    ),
    parameters: &[],
    source: concat!(include_str!("lesson.rs"), "\n", include_str!("right.rs")),
    python: include_str!("../../lesson/web.txt"),
    limits: Limits { time: Duration::from_secs(60), ..Limits::DEFAULT },
    run,
};

fn run(run: &mut Run) -> Outcome {
    let html = run.folder().join("html");
    std::fs::create_dir(&html)?;
    std::fs::write(html.join("index.html"), "<h1>欢迎来到华清远见</h1>\n<p>以后内容更精彩</p>\n")?;
    std::fs::write(html.join("long.html"), "x".repeat(LONG))?;
    std::fs::write(html.join("picture.png"), PICTURE)?;
    std::fs::write(run.folder().join("secret.txt"), "not for the web")?;
    say!("—— 课程的程序" | "—— the lesson's program");
    let folder = html.clone();
    let server = Running::child(listen(100)?, move |listener| lesson::serve(listener, &folder))?;
    lesson_answers(run, server.address)?;
    drop(server);
    say!("—— 改正后的程序" | "—— the right program");
    let server = Running::child(listen(100)?, move |listener| right::serve(listener, &html))?;
    right_answers(run, server.address)?;
    Ok(())
}

fn lesson_answers(run: &mut Run, address: SocketAddr) -> io::Result<()> {
    let what = text("课程：/a.py 的起始行", "the lesson: the status line of /a.py");
    run.check(what, verdict("HTTP/1.1200 OK", false), get(address, "/a.py")?.status());
    let what = text("课程：/nothing.py 的正文", "the lesson: the body of /nothing.py");
    run.check(what, "<h1>xxx.py not found</h1>", get(address, "/nothing.py")?.text());
    let what = text("课程：5000 字节的文件送出", "the lesson: sent of a file of 5000 bytes");
    run.check(what, 1024, get(address, "/long.html")?.body().len());
    let what = text("课程：图片的回答", "the lesson: bytes of the answer for a picture");
    run.check(what, 0, get(address, "/picture.png")?.0.len());
    let what = text("课程：/../secret.txt", "the lesson: /../secret.txt");
    run.check(what, "not for the web", get(address, "/../secret.txt")?.text());
    Ok(())
}

fn right_answers(run: &mut Run, address: SocketAddr) -> io::Result<()> {
    let what = text("改正后：/a.py 的起始行", "right: the status line of /a.py");
    run.check(what, verdict("HTTP/1.1 200 OK", true), get(address, "/a.py")?.status());
    let what = text("改正后：/nothing.py 的正文", "right: the body of /nothing.py");
    run.check(what, "<h1>nothing.py not found</h1>", get(address, "/nothing.py")?.text());
    let what = text("改正后：5000 字节的文件送出", "right: sent of a file of 5000 bytes");
    run.check(what, LONG, get(address, "/long.html")?.body().len());
    let what = text("改正后：图片的字节相同", "right: the picture's bytes are the same");
    run.check(what, true, get(address, "/picture.png")?.body() == PICTURE);
    let what = text("改正后：/../secret.txt", "right: /../secret.txt");
    run.check(
        what,
        verdict("HTTP/1.1 404 Not Found", true),
        get(address, "/../secret.txt")?.status(),
    );
    Ok(())
}

/// What a client makes of a status line.
fn verdict(line: &str, is_accepted: bool) -> String {
    let words = match is_accepted {
        true => text("接受", "accepted"),
        false => text("拒绝", "refused"),
    };
    format!("{line} ({})", words.get(lang()))
}

/// An answer, byte for byte.
struct Answer(Vec<u8>);

impl Answer {
    /// The first line, and what a strict parser of HTTP says about the head.
    fn status(&self) -> String {
        let line = self.0.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let parsed = httparse::Response::new(&mut headers).parse(&self.0);
        let is_accepted = parsed.is_ok_and(|status| status.is_complete());
        verdict(&String::from_utf8_lossy(line), is_accepted)
    }

    fn body(&self) -> &[u8] {
        let end = self.0.windows(4).position(|part| part == b"\r\n\r\n");
        end.map_or(&[], |end| &self.0[end + 4..])
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }
}

/// Asks, and reads until the server closes.
fn get(address: SocketAddr, target: &str) -> io::Result<Answer> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(format!("GET {target} HTTP/1.1\r\nHost: lab\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer)?;
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(200)]).into_owned();
    say!("GET {target}");
    shown.lines().for_each(|line| say!("  {line}"));
    Ok(Answer(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_without_its_space_is_refused() {
        let status = |head: &str| Answer(head.as_bytes().to_vec()).status();
        assert_eq!(status("HTTP/1.1200 OK\r\n\r\n"), "HTTP/1.1200 OK (refused)");
        assert_eq!(status("HTTP/1.1 200 OK\r\n\r\n"), "HTTP/1.1 200 OK (accepted)");
    }
}
