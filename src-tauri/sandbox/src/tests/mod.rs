//! The control plane as its clients meet it: raw requests in, statuses and bodies out.

mod faults;
mod life;
mod network;
mod pricing;
mod protocol;
mod resize;
mod served;
mod sessions;
mod signed;
mod storage;
mod store;
mod sts;

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Bytes;
use serde_json::Value;

use crate::{ACCESS_KEY, Clock, Dropped, Options, Sandbox, Service};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "us-west-2";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

/// A sandbox with virtual time, and nothing in it but what a test makes.
pub(crate) fn sandbox() -> Sandbox {
    sandbox_with(|_| {})
}

pub(crate) fn sandbox_with(change: impl FnOnce(&mut Options)) -> Sandbox {
    let mut options = Options { clock: Clock::Virtual, ..Options::default() };
    options.conditions.default_vpc = false;
    change(&mut options);
    Sandbox::new(options)
}

/// A caller with an access key.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) sandbox: Sandbox,
    pub(crate) key: &'static str,
    pub(crate) token: Option<&'static str>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The content of the first element with this name, or of this JSON member.
    pub(crate) fn get(&self, name: &str) -> String {
        self.all(name).into_iter().next().unwrap_or_default()
    }

    fn all(&self, name: &str) -> Vec<String> {
        let (open, close) = (format!("<{name}>"), format!("</{name}>"));
        let parts = self.body.split(&open).skip(1);
        parts.map(|part| part.split(&close).next().unwrap_or_default().to_owned()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The error code, in whichever shape; empty when there is none.
    pub(crate) fn code(&self) -> String {
        match self.body.starts_with('{') {
            true => self.json().get("__type").and_then(Value::as_str).unwrap_or_default().to_owned(),
            false => self.get("Code"),
        }
    }
}

impl Client {
    pub(crate) fn new(sandbox: &Sandbox) -> Self {
        Self { sandbox: sandbox.clone(), key: ACCESS_KEY, token: None }
    }

    pub(crate) fn request(&self, service: Service, operation: &str, body: String) -> Request<Bytes> {
        let scope = format!("{}/20260115/{REGION}/{}/aws4_request", self.key, service.name());
        let mut request = Request::post("https://example.amazonaws.com/").header(
            "authorization",
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
        );
        if let Some(token) = self.token {
            request = request.header("x-amz-security-token", token);
        }
        if matches!(service, Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Pricing) {
            request = request.header("x-amz-target", format!("Target.{operation}"));
        }
        request.body(Bytes::from(body)).unwrap()
    }

    pub(crate) async fn try_form(
        &self,
        service: Service,
        operation: &str,
        fields: &[(&str, &str)],
    ) -> Result<Answer, Dropped> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", operation).append_pair("Version", "1").extend_pairs(fields);
        read(self.sandbox.handle(self.request(service, operation, form.finish())).await)
    }

    pub(crate) async fn ec2(&self, operation: &str, fields: &[(&str, &str)]) -> Answer {
        self.try_form(Service::Ec2, operation, fields).await.unwrap()
    }

    pub(crate) async fn iam(&self, operation: &str, fields: &[(&str, &str)]) -> Answer {
        self.try_form(Service::Iam, operation, fields).await.unwrap()
    }

    pub(crate) async fn json(&self, service: Service, operation: &str, body: Value) -> Answer {
        let request = self.request(service, operation, body.to_string());
        read(self.sandbox.handle(request).await).unwrap()
    }

    /// A call of a service that has paths for operations.
    pub(crate) async fn rest(&self, service: Service, method: &str, path: &str, body: &Value) -> Answer {
        let mut request = self.request(service, "", body.to_string());
        *request.method_mut() = method.parse().unwrap();
        *request.uri_mut() = format!("https://example.amazonaws.com{path}").parse().unwrap();
        read(self.sandbox.handle(request).await).unwrap()
    }

    /// A call that must succeed.
    pub(crate) async fn make(&self, operation: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.ec2(operation, fields).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        answer
    }

    /// A role with the agent's policy in a profile, old enough for EC2 to know it.
    pub(crate) async fn profile(&self) {
        for (operation, fields) in [
            ("CreateRole", vec![("RoleName", "role"), ("AssumeRolePolicyDocument", TRUST)]),
            ("AttachRolePolicy", vec![("RoleName", "role"), ("PolicyArn", crate::iam::CORE_POLICY)]),
            ("CreateInstanceProfile", vec![("InstanceProfileName", "profile")]),
            ("AddRoleToInstanceProfile", vec![("InstanceProfileName", "profile"), ("RoleName", "role")]),
        ] {
            let answer = self.iam(operation, &fields).await;
            assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        }
        self.sandbox.advance(Duration::from_secs(10));
    }

    /// A VPC with a way out.
    pub(crate) async fn network(&self) -> Net {
        let vpc = self.make("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await.get("vpcId");
        let subnet = [("VpcId", &*vpc), ("CidrBlock", "10.0.0.0/24"), ("AvailabilityZone", "us-west-2b")];
        let subnet = self.make("CreateSubnet", &subnet).await.get("subnetId");
        let gateway = self.make("CreateInternetGateway", &[]).await.get("internetGatewayId");
        self.make("AttachInternetGateway", &[("InternetGatewayId", &gateway), ("VpcId", &vpc)]).await;
        let table = self.make("CreateRouteTable", &[("VpcId", &vpc)]).await.get("routeTableId");
        let route =
            [("RouteTableId", &*table), ("DestinationCidrBlock", "0.0.0.0/0"), ("GatewayId", &gateway)];
        self.make("CreateRoute", &route).await;
        let both = [("RouteTableId", &*table), ("SubnetId", &*subnet)];
        let association = self.make("AssociateRouteTable", &both).await.get("associationId");
        let group = [("VpcId", &*vpc), ("GroupName", "group"), ("GroupDescription", "a group")];
        let group = self.make("CreateSecurityGroup", &group).await.get("groupId");
        Net { vpc, subnet, gateway, table, association, group }
    }

    /// The newest official image for arm64.
    async fn image(&self) -> String {
        let images = self
            .make(
                "DescribeImages",
                &[
                    ("Owner.1", crate::ec2::NIXOS_OWNER),
                    ("Filter.1.Name", "architecture"),
                    ("Filter.1.Value.1", "arm64"),
                ],
            )
            .await;
        let ids = images.all("imageId");
        let newest = images.all("creationDate").into_iter().zip(ids).max().unwrap();
        newest.1
    }

    /// The fields of a launch that works.
    pub(crate) async fn launch(&self, net: &Net) -> Launch {
        let image = self.image().await;
        let fields = [
            ("ImageId", &*image),
            ("InstanceType", "m8g.xlarge"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("NetworkInterface.1.DeviceIndex", "0"),
            ("NetworkInterface.1.SubnetId", &net.subnet),
            ("NetworkInterface.1.SecurityGroupId.1", &net.group),
            ("NetworkInterface.1.AssociatePublicIpAddress", "true"),
        ];
        Launch(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    pub(crate) async fn run(&self, launch: &Launch) -> Answer {
        let fields: Vec<(&str, &str)> =
            launch.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.ec2("RunInstances", &fields).await
    }

    async fn state(&self, instance: &str) -> String {
        self.make("DescribeInstances", &[("InstanceId.1", instance)]).await.get("name")
    }
}

pub(crate) fn read(response: Result<Response<Bytes>, Dropped>) -> Result<Answer, Dropped> {
    let response = response?;
    let status = response.status().as_u16();
    Ok(Answer { status, body: String::from_utf8(response.into_body().to_vec()).unwrap() })
}

pub(crate) struct Net {
    vpc: String,
    subnet: String,
    gateway: String,
    table: String,
    association: String,
    group: String,
}

#[derive(Clone)]
pub(crate) struct Launch(BTreeMap<String, String>);

impl Launch {
    pub(crate) fn with(&self, fields: &[(&str, &str)]) -> Self {
        let mut launch = self.clone();
        for (name, value) in fields {
            launch.0.insert((*name).to_owned(), (*value).to_owned());
        }
        launch
    }

    fn without(&self, prefix: &str) -> Self {
        let mut launch = self.clone();
        launch.0.retain(|name, _| !name.starts_with(prefix));
        launch
    }
}
