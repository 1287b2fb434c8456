//! A handler in actix-web, with one worker: the server has one core.

use actix_web::{App, HttpServer, web};

async fn hello() -> &'static str {
    "hello, actix ......."
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    HttpServer::new(|| App::new().route("/", web::get().to(hello)))
        .workers(1)
        .bind(("127.0.0.1", port))?
        .run()
        .await
}
