//! The sandbox: one place where every request arrives.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::{DATE, HeaderValue};
use http::{Request, Response};
use hyper::body::Bytes;

use crate::backend::{NoMachines, SessionBackend};
use crate::clock::{At, Clock, Time};
use crate::conditions::Conditions;
use crate::ec2;
use crate::fault::{Call, Fault, Faults, Rule, made_up};
use crate::principal::authenticate;
use crate::store::Store;
use crate::wire::{Fail, Form, Incoming, Json, Refused, Reply, Service, Xml, parse, reply};
use crate::world::{Ctx, Everywhere, News, World};
use crate::{dlm, iam, kms, pricing, quotas, ssm, sso, sts};

/// What is told of each call once its effect is there and before its answer goes out.
pub type OnCall = Arc<dyn Fn(&Call) + Send + Sync>;

/// How a sandbox begins.
#[derive(Clone)]
pub struct Options {
    /// The clock.
    pub clock: Clock,
    /// Where ids come from; the same seed gives the same ids.
    pub seed: u64,
    /// Everything that can also be changed later.
    pub conditions: Conditions,
    /// The machines behind the control plane.
    pub backend: Arc<dyn SessionBackend>,
    /// Called after each call's effect.
    pub on_call: Option<OnCall>,
}

/// Account 123456789012, one caller, the real clock.
impl Default for Options {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            seed: 1,
            conditions: Conditions::of("123456789012"),
            backend: Arc::new(NoMachines),
            on_call: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("clock", &self.clock)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

/// A local AWS. Clones share one world.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

struct Shared {
    time: Time,
    backend: Arc<dyn SessionBackend>,
    on_call: Option<OnCall>,
    store: Option<Store>,
    state: Mutex<State>,
    /// Where upgrade requests arrive.
    listening: tokio::sync::OnceCell<SocketAddr>,
    /// Told once, to end `serve`.
    pub(crate) stop: tokio::sync::Notify,
}

struct State {
    world: World,
    conditions: Conditions,
    faults: Faults,
    calls: Vec<Call>,
    arrived: u64,
    /// The longest chain of answered calls.
    depth: u32,
}

/// The connection breaks instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped;

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("now", &self.now()).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// A sandbox with an empty world that lives in memory.
    pub fn new(options: Options) -> Self {
        let world = World::new(options.seed);
        Self::build(options, world, At::default(), None)
    }

    /// A sandbox whose world is kept in a folder: read from it if there is one, written after each change.
    pub fn open(state_dir: impl Into<PathBuf>, options: Options) -> std::io::Result<Self> {
        let store = Store::new(state_dir.into())?;
        let (world, at) = store.load()?.unwrap_or_else(|| (World::new(options.seed), At::default()));
        let sandbox = Self::build(options, world, at, Some(store));
        let present = sandbox.state().world.present();
        sandbox.tell(present);
        Ok(sandbox)
    }

    fn build(options: Options, world: World, earliest: At, store: Option<Store>) -> Self {
        let Options { clock, conditions, backend, on_call, seed: _ } = options;
        let state =
            State { world, conditions, faults: Faults::default(), calls: Vec::new(), arrived: 0, depth: 0 };
        Self {
            shared: Arc::new(Shared {
                time: Time::start(clock, earliest),
                backend,
                on_call,
                store,
                state: Mutex::new(state),
                listening: tokio::sync::OnceCell::new(),
                stop: tokio::sync::Notify::new(),
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sandbox's time.
    pub fn now(&self) -> At {
        self.shared.time.now()
    }

    /// Lets time pass, whichever clock it is, and everything happen that is due then.
    pub fn advance(&self, by: Duration) {
        self.shared.time.advance(by);
        self.tick();
    }

    /// Lets everything happen that is due; a served sandbox does this by itself.
    pub fn tick(&self) {
        let mut state = self.state();
        let news = self.settle(&mut state);
        drop(state);
        self.tell(news);
    }

    fn settle(&self, state: &mut State) -> Vec<News> {
        let (now, pace) = (self.now(), state.conditions.pace);
        let mut due = Vec::new();
        for id in self.shared.backend.powered_off() {
            state.world.power_off_inside(&id, now, &pace, &mut due);
        }
        due.extend(state.world.settle(now, &state.conditions));
        if !due.is_empty() {
            self.save(&state.world);
        }
        due
    }

    fn tell(&self, news: Vec<News>) {
        let backend = &*self.shared.backend;
        for news in news {
            tracing::debug!(?news, "machines");
            match news {
                News::Power(id, power) => backend.power(&id, power),
                News::Resize(id, gib) => backend.resize_disk(&id, gib),
                News::Storage(event) => backend.storage(event),
            }
        }
    }

    fn save(&self, world: &World) {
        if let Some(store) = &self.shared.store
            && let Err(error) = store.save(world, self.now())
        {
            tracing::error!(%error, "the sandbox's world could not be stored");
        }
    }

    /// A copy of the world as it is now, for assertions.
    pub fn world(&self) -> World {
        self.tick();
        self.state().world.clone()
    }

    /// Changes the world behind AWS's back: a machine that a cleaner terminates, a tag that somebody edits.
    pub fn meddle<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state.world);
        self.save(&state.world);
        result
    }

    /// Does something that belongs to no single account, beside all calls.
    pub(crate) fn everywhere<T>(&self, change: impl FnOnce(&mut Everywhere<'_>) -> T) -> T {
        let (now, mut state) = (self.now(), self.state());
        let State { world, conditions, .. } = &mut *state;
        let result = change(&mut Everywhere { world, conditions, region: "", now });
        self.save(&state.world);
        result
    }

    /// Changes what this AWS is like.
    pub fn set<T>(&self, change: impl FnOnce(&mut Conditions) -> T) -> T {
        change(&mut self.state().conditions)
    }

    /// The machine powers itself off (`poweroff` inside).
    pub fn power_off_inside(&self, instance: &str) {
        let (now, mut state) = (self.now(), self.state());
        let pace = state.conditions.pace;
        let mut news = Vec::new();
        state.world.power_off_inside(instance, now, &pace, &mut news);
        self.save(&state.world);
        drop(state);
        self.tell(news);
    }

    /// Why an instance's agent is not connected, if it is not.
    pub fn unreachable(&self, account: &str, region: &str, instance: &str) -> Option<ssm::Unreachable> {
        self.tick();
        let state = self.state();
        let account = state.world.accounts.get(account)?;
        let region = account.regions.get(region)?;
        ssm::reach(account, region, region.instances.get(instance)?, self.now()).err()
    }

    /// Sets a fault rule.
    pub fn fault(&self, rule: Rule) {
        self.state().faults.add(rule);
    }

    /// Takes all fault rules back.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The fault rules that are set.
    pub fn faults(&self) -> Vec<Rule> {
        self.state().faults.rules()
    }

    /// Every call since the start, or since [`Self::clear_calls`].
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// Forgets the calls so far; the depth begins anew.
    pub fn clear_calls(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.depth = 0;
    }

    /// An empty world again (ids go on, so that none repeats); rules and calls are forgotten too.
    pub fn reset(&self) {
        let mut state = self.state();
        let absent = state.world.absent();
        state.world.clear();
        state.faults.clear();
        state.calls.clear();
        state.depth = 0;
        self.save(&state.world);
        drop(state);
        self.tell(absent);
    }

    pub(crate) fn backend(&self) -> &dyn SessionBackend {
        &*self.shared.backend
    }

    pub(crate) fn listening(&self) -> &tokio::sync::OnceCell<SocketAddr> {
        &self.shared.listening
    }

    pub(crate) fn stopped(&self) -> &tokio::sync::Notify {
        &self.shared.stop
    }

    /// Whether the key is one of a caller's.
    pub(crate) fn knows_key(&self, key: &str) -> bool {
        self.state().conditions.principals.iter().any(|principal| principal.access_key == key)
    }

    /// Answers one request.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Dropped> {
        self.handle_after(request, Duration::ZERO).await
    }

    /// Answers one request over a line with this latency: half of it before the effect, half after.
    pub(crate) async fn handle_after(
        &self,
        request: Request<Bytes>,
        latency: Duration,
    ) -> Result<Response<Bytes>, Dropped> {
        let incoming = match parse(&request) {
            Ok(incoming) => incoming,
            Err(Refused { service, fail }) => return Ok(reply(service, "", "0", &Err(fail))),
        };
        let arrival = self.arrive(&incoming);
        pause(latency / 2).await;
        if incoming.service == Service::Ssm && incoming.operation.ends_with("Session") {
            self.listen_on_demand().await;
        }
        let (answer, late) = self.perform(&incoming, &arrival);
        pause(latency / 2 + late).await;
        self.answered(arrival.depth);
        answer
    }

    fn arrive(&self, incoming: &Incoming) -> Arrival {
        let mut state = self.state();
        state.arrived += 1;
        Arrival {
            number: state.arrived,
            depth: state.depth + 1,
            at: self.now(),
            fault: state.faults.befall(incoming),
        }
    }

    fn answered(&self, depth: u32) {
        let mut state = self.state();
        state.depth = state.depth.max(depth);
    }

    /// The effect, and what of it gets back to the client.
    fn perform(
        &self,
        incoming: &Incoming,
        arrival: &Arrival,
    ) -> (Result<Response<Bytes>, Dropped>, Duration) {
        let fault = arrival.fault.as_ref();
        let refusal = fault.and_then(|fault| fault.refusal(incoming));
        let mut state = self.state();
        let mut news = self.settle(&mut state);
        let caller = match incoming.service.is_signed() {
            true => authenticate(&state.world, &state.conditions, self.now(), incoming).map(Some),
            false => Ok(None),
        };
        let mut took_effect = false;
        let request_id = state.world.ids.uuid();
        let told_time = state.conditions.aws_time(self.now());
        let mut outcome = match (&caller, refusal) {
            (Err(fail), _) => Err(fail.clone()),
            (Ok(_), _) if fault == Some(&Fault::DropBefore) => Err(made_up("Dropped", 400)),
            (Ok(_), Some(refusal)) => Err(refusal),
            (Ok(caller), None) => {
                let State { world, conditions, .. } = &mut *state;
                // The call works on a copy, so a refusal halfway leaves nothing behind.
                let mut next = world.clone();
                let (now, region) = (self.now(), incoming.region.as_str());
                let (outcome, told) = match caller {
                    Some(_) if !ec2::has_region(region) => {
                        let message = format!("The sandbox has no region {region}.");
                        (Err(Fail::new("AuthFailure", message)), Vec::new())
                    }
                    Some(caller) if incoming.service != Service::Sts => {
                        let backend = &*self.shared.backend;
                        let mut ctx = Ctx::new(&mut next, conditions, caller, region, now, backend);
                        (dispatch(&mut ctx, incoming), std::mem::take(&mut ctx.news))
                    }
                    caller => {
                        let mut place = Everywhere { world: &mut next, conditions, region, now };
                        let outcome = match caller {
                            Some(caller) => sts::call(&mut place, caller, incoming),
                            None => sso::call(&mut place, incoming),
                        };
                        (outcome, Vec::new())
                    }
                };
                took_effect = outcome.is_ok();
                // What was due before happened, whatever becomes of this call.
                if took_effect {
                    news.extend(told);
                }
                if took_effect && leaves_something(incoming) {
                    *world = next;
                    news.append(&mut world.settle(now, conditions));
                    self.save(world);
                } else {
                    world.keep_of(next);
                }
                outcome
            }
        };
        let late = match fault {
            Some(Fault::ErrorAfterCommit { code, status }) => {
                outcome = Err(made_up(code, *status));
                Duration::ZERO
            }
            Some(Fault::Delay(by)) => *by,
            Some(
                Fault::Error { .. }
                | Fault::Throttle
                | Fault::DropBefore
                | Fault::DropAfterCommit
                | Fault::NotFoundYet,
            )
            | None => Duration::ZERO,
        };
        let dropped = matches!(fault, Some(Fault::DropBefore | Fault::DropAfterCommit));
        let call = Call {
            number: arrival.number,
            service: incoming.service,
            operation: incoming.operation.clone(),
            region: incoming.region.clone(),
            caller: caller.ok().flatten().map(|caller| caller.arn),
            at: arrival.at,
            depth: arrival.depth,
            dry_run: is_dry_run(incoming),
            error: outcome.as_ref().err().map(|fail| fail.code.to_string()),
            took_effect,
            dropped,
        };
        state.calls.push(call.clone());
        drop(state);
        tracing::debug!(service = call.service.name(), call.operation, error = ?call.error, "call");
        self.tell(news);
        if let Some(on_call) = &self.shared.on_call {
            on_call(&call);
        }
        if dropped {
            return (Err(Dropped), late);
        }
        let mut response = reply(incoming.service, &incoming.operation, &request_id, &outcome);
        if let Some(aws) = told_time
            && let Ok(date) = HeaderValue::from_str(&aws.http())
        {
            response.headers_mut().insert(DATE, date);
        }
        (Ok(response), late)
    }
}

struct Arrival {
    number: u64,
    depth: u32,
    at: At,
    fault: Option<Fault>,
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

pub(crate) fn is_dry_run(incoming: &Incoming) -> bool {
    incoming.fields.get("DryRun").is_some_and(|value| value == "true")
}

/// Whether the world is another one after it: also where only credentials and tokens were given out.
fn leaves_something(incoming: &Incoming) -> bool {
    crate::fault::changes(incoming.service, &incoming.operation)
        || matches!(incoming.service, Service::SsoOidc | Service::Sso)
        || (incoming.service == Service::Sts && incoming.operation == "AssumeRole")
}

fn dispatch(ctx: &mut Ctx<'_>, incoming: &Incoming) -> Result<Reply, Fail> {
    let (service, operation) = (incoming.service, incoming.operation.as_str());
    let permitted = ctx.caller.may(service, operation);
    let deny =
        |resource: &str| ctx.caller.denial(service, &format!("{}:{operation}", service.name()), resource);
    let anything = format!("arn:aws:{}:{}:{}:*", service.name(), ctx.region, ctx.owner());
    match service {
        Service::Ec2 => {
            if !permitted {
                return Err(deny(&anything));
            }
            let outcome = ec2::call(ctx, operation, &Form::ec2(&incoming.fields));
            let outcome: Result<Xml, Fail> =
                if is_dry_run(incoming) { Err(ec2::dry_run(outcome)) } else { outcome };
            outcome.map(Reply::Xml)
        }
        Service::Iam => {
            let form = Form::aws_query(&incoming.fields);
            if !permitted {
                return Err(deny(&iam::resource(ctx.owner(), &form)));
            }
            iam::call(ctx, operation, &form).map(Reply::Xml)
        }
        Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Dlm | Service::Pricing
            if !permitted =>
        {
            Err(deny(&anything))
        }
        Service::Ssm => ssm::call(ctx, operation, Json(&incoming.json)).map(Reply::Json),
        Service::Kms => kms::call(ctx, operation, Json(&incoming.json)).map(Reply::Json),
        Service::ServiceQuotas => quotas::call(ctx, operation, Json(&incoming.json)).map(Reply::Json),
        Service::Dlm => dlm::call(ctx, operation, Json(&incoming.json)).map(Reply::Json),
        Service::Pricing => pricing::call(ctx, operation, Json(&incoming.json)).map(Reply::Json),
        // These belong to no single account and do not come here.
        Service::Sts | Service::SsoOidc | Service::Sso => {
            Err(Fail::new("UnsupportedOperation", "The sandbox has no such operation."))
        }
    }
}
