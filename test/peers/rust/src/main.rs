// A client and a server of tonic's for messages that are plain bytes. Lines of JSON on standard input say what to do.
mod client;
mod server;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::{Buf, BufMut, Bytes};
use serde_json::Value;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{AsciiMetadataKey, BinaryMetadataKey, KeyAndValueRef, MetadataMap, MetadataValue};

pub const LARGEST: usize = 64 << 20;

#[derive(Clone, Default)]
pub struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;
    fn encoder(&mut self) -> Raw {
        Raw
    }
    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, target: &mut EncodeBuf<'_>) -> Result<(), Status> {
        target.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = source.remaining();
        Ok(Some(source.copy_to_bytes(length)))
    }
}

pub fn say(value: Value) {
    println!("={value}");
}

pub fn from_base64(text: &str) -> Bytes {
    Bytes::from(BASE64_STANDARD.decode(text).expect("base64"))
}

pub fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Adds an entry whose value is base64 where its name ends in -bin.
pub fn add(metadata: &mut MetadataMap, name: &str, value: &str) {
    if name.ends_with("-bin") {
        let key = BinaryMetadataKey::from_bytes(name.as_bytes()).expect("a name");
        metadata.append_bin(key, MetadataValue::from_bytes(&from_base64(value)));
    } else {
        let key = AsciiMetadataKey::from_bytes(name.as_bytes()).expect("a name");
        metadata.append(key, value.parse().expect("a value"));
    }
}

/// The entries, binary ones in base64.
pub fn entries(metadata: &MetadataMap) -> Vec<(String, String)> {
    metadata
        .iter()
        .map(|entry| match entry {
            KeyAndValueRef::Ascii(key, value) => {
                (key.to_string(), String::from_utf8_lossy(value.as_encoded_bytes()).into_owned())
            }
            KeyAndValueRef::Binary(key, value) => {
                (key.to_string(), to_base64(&value.to_bytes().unwrap_or_default()))
            }
        })
        .collect()
}

#[tokio::main]
async fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args[1].as_str() {
        "server" => server::run(&args[2], args.get(3), args.get(4)).await,
        _ => client::run(&args[2], args.get(3)).await,
    }
}
