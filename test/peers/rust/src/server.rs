use crate::{LARGEST, Raw, add, entries, say, to_base64};
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::watch;
use tonic::body::Body;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status, Streaming};
use tower::{Service, service_fn};

struct State {
    holding: AtomicUsize,
    released: watch::Sender<u64>,
}

/// Says that a call was cancelled, unless it ended.
struct Held {
    state: Arc<State>,
    ended: bool,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.state.holding.fetch_sub(1, Ordering::SeqCst);
        if !self.ended {
            say(json!({"event": "cancelled"}));
        }
    }
}

impl State {
    async fn hold(self: &Arc<Self>) {
        let mut released = self.released.subscribe();
        let count = self.holding.fetch_add(1, Ordering::SeqCst) + 1;
        let mut held = Held { state: self.clone(), ended: false };
        say(json!({"event": "holding", "count": count}));
        let _ = released.changed().await;
        held.ended = true;
    }
}

fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_string()
}

fn number(metadata: &MetadataMap, name: &str, otherwise: usize) -> usize {
    text(metadata, name).parse().unwrap_or(otherwise)
}

fn begin<T>(metadata: &MetadataMap, message: T) -> Response<T> {
    let mut response = Response::new(message);
    for (name, value) in entries(metadata) {
        if name.starts_with("echo-") {
            add(response.metadata_mut(), &name, &value);
        }
    }
    response
}

fn failure(metadata: &MetadataMap) -> Status {
    let details = metadata.get_bin("details-bin").map(|value| value.to_bytes().unwrap_or_default());
    let mut trailers = MetadataMap::new();
    for (name, value) in entries(metadata) {
        if name.starts_with("trail-") {
            add(&mut trailers, &name, &value);
        }
    }
    let text = "not now: grüße, 100 %";
    Status::with_details_and_metadata(Code::FailedPrecondition, text, details.unwrap_or_default(), trailers)
}

async fn unary(state: Arc<State>, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    let metadata = request.metadata().clone();
    match text(&metadata, "do").as_str() {
        "hold" => state.hold().await,
        "fail" => return Err(failure(&metadata)),
        _ => {}
    }
    Ok(begin(&metadata, request.into_inner()))
}

type Answers = BoxStream<'static, Result<Bytes, Status>>;

async fn expand(state: Arc<State>, request: Request<Bytes>) -> Result<Response<Answers>, Status> {
    let metadata = request.metadata().clone();
    let (count, size) = (number(&metadata, "count", 1), number(&metadata, "size", 0));
    let message = Bytes::from(vec![b'a'; size]);
    let messages = stream::iter((0..count).map(move |_| Ok(message.clone())));
    let answers: Answers = match text(&metadata, "do").as_str() {
        "hold" => {
            let rest = async move { state.hold().await }.into_stream();
            messages.chain(rest.flat_map(|_| stream::empty())).boxed()
        }
        "fail" => messages.chain(stream::iter([Err(failure(&metadata))])).boxed(),
        _ => messages.boxed(),
    };
    Ok(begin(&metadata, answers))
}

async fn collect(request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
    let metadata = request.metadata().clone();
    let mut messages = request.into_inner();
    let (mut count, mut bytes) = (0, 0);
    while let Some(message) = messages.message().await? {
        count += 1;
        bytes += message.len();
    }
    Ok(begin(&metadata, Bytes::from(format!("{count} {bytes}"))))
}

async fn chat(request: Request<Streaming<Bytes>>) -> Result<Response<Streaming<Bytes>>, Status> {
    let metadata = request.metadata().clone();
    Ok(begin(&metadata, request.into_inner()))
}

async fn call(state: Arc<State>, request: http::Request<Body>) -> http::Response<Body> {
    let mut grpc = Grpc::new(Raw)
        .accept_compressed(CompressionEncoding::Gzip)
        .send_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST)
        .max_encoding_message_size(LARGEST);
    let path = request.uri().path().to_string();
    let state = &state;
    match path.rsplit('/').next().unwrap_or("") {
        "Unary" => grpc.unary(service_fn(|one| unary(state.clone(), one)), request).await,
        "Expand" => grpc.server_streaming(service_fn(|one| expand(state.clone(), one)), request).await,
        "Collect" => grpc.client_streaming(service_fn(collect), request).await,
        "Chat" => grpc.streaming(service_fn(chat), request).await,
        "OnBindingEvent" => {
            let method = service_fn(|one: Request<Bytes>| async move {
                say(json!({"event": "delivered", "data": to_base64(one.get_ref())}));
                Ok::<_, Status>(Response::new(Bytes::new()))
            });
            grpc.unary(method, request).await
        }
        "ListInputBindings" => {
            let method = service_fn(|_: Request<Bytes>| async {
                Ok::<_, Status>(Response::new(Bytes::from_static(b"\n\x04tick")))
            });
            grpc.unary(method, request).await
        }
        _ => Status::unimplemented("no such method").into_http(),
    }
}

macro_rules! service {
    ($name:ident, $path:literal) => {
        #[derive(Clone)]
        struct $name(Arc<State>);
        impl NamedService for $name {
            const NAME: &'static str = $path;
        }
        impl Service<http::Request<Body>> for $name {
            type Response = http::Response<Body>;
            type Error = Infallible;
            type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;
            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }
            fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                let state = self.0.clone();
                Box::pin(async move { Ok(call(state, request).await) })
            }
        }
    };
}

service!(Peer, "cufflink.peers.Peer");
service!(App, "dapr.proto.runtime.v1.AppCallback");

pub async fn run(port: &str, cert: Option<&String>, key: Option<&String>) {
    let state = Arc::new(State { holding: AtomicUsize::new(0), released: watch::Sender::new(0) });
    let mut builder = Server::builder();
    if let (Some(cert), Some(key)) = (cert, key) {
        let pem = |path: &String| std::fs::read_to_string(path).expect("a file");
        let tls = ServerTlsConfig::new().identity(Identity::from_pem(pem(cert), pem(key)));
        builder = builder.tls_config(tls).expect("TLS");
    }
    let listener = tokio::net::TcpListener::bind(format!("127.0.0.1:{port}")).await.expect("a port");
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    say(json!({"event": "listening"}));
    let told = state.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let mut stop = Some(stop);
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let asked: Value = serde_json::from_str(&line).expect("JSON");
            match asked["op"].as_str() {
                Some("release") => told.released.send_modify(|turn| *turn += 1),
                Some("shutdown") => drop(stop.take().map(|stop| stop.send(()))),
                _ => panic!("{line}"),
            }
        }
    });
    builder
        .add_service(Peer(state.clone()))
        .add_service(App(state))
        .serve_with_incoming_shutdown(incoming, async { drop(stopped.await) })
        .await
        .expect("to serve");
    say(json!({"event": "closed"}));
    std::process::exit(0);
}

