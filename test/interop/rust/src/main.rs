//! Calls bindings, and is called by them, by Dapr's SDK for Rust.
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, Ordering};

use dapr::appcallback::{BindingEventRequest, BindingEventResponse, InvokeRequest, InvokeResponse};
use dapr::appcallback::{JobEventRequest, JobEventResponse, TopicEventRequest, TopicEventResponse};
use dapr::appcallback::{ListInputBindingsResponse, ListTopicSubscriptionsResponse};
use dapr::appcallback::{TopicEventBulkRequest, TopicEventBulkResponse};
use dapr::dapr::proto::runtime::v1::app_callback_server::{AppCallback, AppCallbackServer};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

struct App {
    names: Vec<String>,
    refused: AtomicBool,
}

#[tonic::async_trait]
impl AppCallback for App {
    async fn on_invoke(
        &self,
        _: Request<InvokeRequest>,
    ) -> Result<Response<InvokeResponse>, Status> {
        Err(Status::unimplemented("no methods"))
    }

    async fn list_topic_subscriptions(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListTopicSubscriptionsResponse>, Status> {
        Ok(Response::new(Default::default()))
    }

    async fn on_topic_event(
        &self,
        _: Request<TopicEventRequest>,
    ) -> Result<Response<TopicEventResponse>, Status> {
        Err(Status::unimplemented("no topics"))
    }

    async fn on_bulk_topic_event(
        &self,
        _: Request<TopicEventBulkRequest>,
    ) -> Result<Response<TopicEventBulkResponse>, Status> {
        Err(Status::unimplemented("no topics"))
    }

    async fn on_job_event(
        &self,
        _: Request<JobEventRequest>,
    ) -> Result<Response<JobEventResponse>, Status> {
        Err(Status::unimplemented("no jobs"))
    }

    async fn list_input_bindings(
        &self,
        _: Request<()>,
    ) -> Result<Response<ListInputBindingsResponse>, Status> {
        let bindings = self.names.clone();
        Ok(Response::new(ListInputBindingsResponse { bindings }))
    }

    async fn on_binding_event(
        &self,
        request: Request<BindingEventRequest>,
    ) -> Result<Response<BindingEventResponse>, Status> {
        let event = request.into_inner();
        let text = String::from_utf8_lossy(&event.data).into_owned();
        let refuses = text.contains("refuse once") && !self.refused.swap(true, Ordering::SeqCst);
        println!(
            "={}",
            json!({ "binding": event.name, "data": text, "refused": refuses })
        );
        if refuses {
            return Err(Status::internal("refused once"));
        }
        Ok(Response::new(Default::default()))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments[0] == "app" {
        let app = App {
            names: arguments[3..].to_vec(),
            refused: AtomicBool::new(false),
        };
        let address = format!("127.0.0.1:{}", arguments[2]).parse()?;
        tonic::transport::Server::builder()
            .add_service(AppCallbackServer::new(app))
            .serve(address)
            .await?;
        return Ok(());
    }
    let port = std::env::var("DAPR_GRPC_PORT")?;
    let address = format!("http://127.0.0.1:{port}");
    let mut client =
        dapr::Client::<dapr::client::TonicClientWithAuth>::connect_with_address(address).await?;
    for line in std::io::stdin().lock().lines() {
        let call: Value = serde_json::from_str(&line?)?;
        // A text goes as it is, all else as JSON.
        let data = match &call["data"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            other => serde_json::to_vec(other)?,
        };
        let metadata = match call["metadata"].as_object() {
            Some(values) => values
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").into()))
                .collect(),
            None => HashMap::new(),
        };
        let text = |name: &str| call[name].as_str().unwrap_or("").to_string();
        match client
            .invoke_binding(text("binding"), data, text("operation"), Some(metadata))
            .await
        {
            Ok(answer) => println!(
                "={}",
                json!({ "data": String::from_utf8_lossy(&answer.data), "metadata": answer.metadata })
            ),
            Err(error) => println!("={}", json!({ "error": error.to_string() })),
        }
    }
    Ok(())
}
