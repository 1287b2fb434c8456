//! A handler in may_minihttp, with one worker: the server has one core.

use may_minihttp::{HttpServer, HttpService, Request, Response};

#[derive(Clone)]
struct Hello;

impl HttpService for Hello {
    fn call(&mut self, _: Request<'_, '_, '_>, response: &mut Response<'_>) -> std::io::Result<()> {
        response.body("hello, minihttp ....");
        Ok(())
    }
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).unwrap_or_else(|| "8080".to_owned());
    may::config().set_workers(1);
    let server = HttpServer(Hello).start(format!("127.0.0.1:{port}"))?;
    server.join().map_err(|_| std::io::Error::other("the server panicked"))
}
