//! A handler in axum, on the runtime of one thread: the server has one core.

async fn hello() -> &'static str {
    "hello, axum ........"
}

fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8080);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        });
        let routes = axum::Router::new().route("/", axum::routing::get(hello));
        axum::serve(listener, routes).await
    })
}
