use crate::{LARGEST, Raw, add, entries, from_base64, say, to_base64};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status, Streaming};

pub async fn run(address: &str, ca: Option<&String>) {
    let scheme = if ca.is_some() { "https" } else { "http" };
    let mut endpoint = Endpoint::from_shared(format!("{scheme}://{address}")).expect("an address");
    if let Some(ca) = ca {
        let pem = std::fs::read_to_string(ca).expect("a file");
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)).domain_name("localhost");
        endpoint = endpoint.tls_config(tls).expect("TLS");
    }
    if let Some(pause) = std::env::var("KEEPALIVE_MS").ok().and_then(|text| text.parse().ok()) {
        endpoint = endpoint
            .http2_keep_alive_interval(Duration::from_millis(pause))
            .keep_alive_while_idle(true);
    }
    let channel = endpoint.connect_lazy();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let channel = channel.clone();
        tokio::spawn(async move {
            let asked: Value = serde_json::from_str(&line).expect("JSON");
            let mut answer = if asked["op"] == "many" {
                many(&channel, &asked).await
            } else {
                one(&channel, &asked).await
            };
            answer["id"] = asked["id"].clone();
            say(answer);
        });
    }
}

struct Outcome {
    answer: Map<String, Value>,
    count: u64,
    bytes: u64,
    same: bool,
    first: Option<Bytes>,
}

impl Outcome {
    fn take(&mut self, message: Bytes, sent: Option<&Bytes>) {
        self.count += 1;
        self.bytes += message.len() as u64;
        self.same &= sent.is_some_and(|sent| *sent == message);
        if self.first.is_none() && message.len() <= 4096 {
            self.first = Some(message);
        }
    }
}

fn requests(asked: &Value) -> Vec<Bytes> {
    if let Some(messages) = asked["messages"].as_array() {
        return messages.iter().map(|one| from_base64(one.as_str().unwrap_or(""))).collect();
    }
    let message = filled(asked);
    (0..asked["count"].as_u64().unwrap_or(1)).map(|_| message.clone()).collect()
}

fn filled(asked: &Value) -> Bytes {
    (0..asked["size"].as_u64().unwrap_or(0)).map(|at| (at % 251) as u8).collect::<Vec<u8>>().into()
}

async fn one(channel: &Channel, asked: &Value) -> Value {
    let mut outcome = Outcome { answer: Map::new(), count: 0, bytes: 0, same: true, first: None };
    let status = match call(channel, asked, &mut outcome).await {
        Ok(()) => Status::new(Code::Ok, ""),
        Err(status) => status,
    };
    let mut answer = outcome.answer;
    answer.insert("code".into(), json!(status.code() as i32));
    answer.insert("text".into(), json!(status.message()));
    if !status.details().is_empty() {
        answer.insert("details".into(), json!(to_base64(status.details())));
    }
    if status.code() != Code::Ok {
        answer.insert("trailers".into(), json!(entries(status.metadata())));
    }
    answer.insert("count".into(), json!(outcome.count));
    answer.insert("bytes".into(), json!(outcome.bytes));
    answer.insert("same".into(), json!(outcome.same));
    answer.insert("first".into(), json!(outcome.first.map(|first| to_base64(&first))));
    Value::Object(answer)
}

async fn call(channel: &Channel, asked: &Value, outcome: &mut Outcome) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel.clone())
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(LARGEST)
        .max_encoding_message_size(LARGEST);
    if asked["gzip"] == true {
        grpc = grpc.send_compressed(CompressionEncoding::Gzip);
    }
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    let op = asked["op"].as_str().unwrap_or("unary");
    let path = asked["path"].as_str().map(str::to_string).unwrap_or_else(|| {
        let (first, rest) = op.split_at(1);
        format!("/cufflink.peers.Peer/{}{rest}", first.to_uppercase())
    });
    let path = http::uri::PathAndQuery::try_from(path).expect("a path");
    let messages = requests(asked);
    let single = messages.first().cloned().unwrap_or_default();
    let sent = messages.clone();
    match op {
        "unary" => {
            let answer = grpc.unary(prepare(asked, single.clone()), path, Raw).await?;
            outcome.answer.insert("headers".into(), json!(entries(answer.metadata())));
            outcome.take(answer.into_inner(), Some(&single));
        }
        "collect" => {
            let answer = grpc.client_streaming(prepare(asked, stream::iter(messages)), path, Raw).await?;
            outcome.answer.insert("headers".into(), json!(entries(answer.metadata())));
            outcome.take(answer.into_inner(), None);
        }
        "expand" => {
            let answer = grpc.server_streaming(prepare(asked, single.clone()), path, Raw).await?;
            outcome.answer.insert("headers".into(), json!(entries(answer.metadata())));
            read(asked, answer.into_inner(), &[], outcome).await?;
        }
        _ => {
            let answer = grpc.streaming(prepare(asked, stream::iter(messages)), path, Raw).await?;
            outcome.answer.insert("headers".into(), json!(entries(answer.metadata())));
            read(asked, answer.into_inner(), &sent, outcome).await?;
        }
    }
    Ok(())
}

async fn read(
    asked: &Value,
    mut answers: Streaming<Bytes>,
    sent: &[Bytes],
    outcome: &mut Outcome,
) -> Result<(), Status> {
    let last = asked["cancelAfter"].as_u64();
    while let Some(message) = answers.message().await? {
        let matching = sent.get(outcome.count as usize);
        outcome.take(message, matching);
        if last == Some(outcome.count) {
            return Err(Status::cancelled("cancelled here"));
        }
    }
    if let Some(trailers) = answers.trailers().await? {
        outcome.answer.insert("trailers".into(), json!(entries(&trailers)));
    }
    Ok(())
}

fn prepare<T>(asked: &Value, message: T) -> Request<T> {
    let mut request = Request::new(message);
    for entry in asked["metadata"].as_array().into_iter().flatten() {
        add(request.metadata_mut(), entry[0].as_str().unwrap_or(""), entry[1].as_str().unwrap_or(""));
    }
    if let Some(timeout) = asked["timeout"].as_u64() {
        request.set_timeout(Duration::from_millis(timeout));
    }
    request
}

async fn many(channel: &Channel, asked: &Value) -> Value {
    let mut single = asked.clone();
    single["op"] = json!("unary");
    single["count"] = json!(1);
    let count = asked["count"].as_u64().unwrap_or(1);
    let concurrency = asked["concurrency"].as_u64().unwrap_or(count) as usize;
    let single = &single;
    let calls = stream::iter(0..count).map(|_| async move { one(channel, single).await });
    let answers: Vec<Value> = calls.buffer_unordered(concurrency).collect().await;
    let mut codes: BTreeMap<String, u64> = BTreeMap::new();
    let (mut bytes, mut texts) = (0, Vec::new());
    for answer in &answers {
        *codes.entry(answer["code"].to_string()).or_default() += 1;
        bytes += answer["bytes"].as_u64().unwrap_or(0);
        if answer["code"] != 0 && texts.len() < 3 {
            texts.push(answer["text"].clone());
        }
    }
    let same = answers.iter().all(|answer| answer["same"] == true);
    json!({"codes": codes, "bytes": bytes, "same": same, "text": texts})
}
