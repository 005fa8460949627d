//! The command line.

use std::cell::Cell;
use std::process::ExitCode;
use std::rc::Rc;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, CommandFactory, Parser, Subcommand};
use holdfast_core::jobs::JobId;
use holdfast_core::machine::{Desired, Observed};
use holdfast_core::names::{InstanceId, MachineName, SessionName, UserName};
use holdfast_core::plan::Goal;
use holdfast_core::settings::Settings;
use holdfast_core::terminal::Known;

use crate::aws::{Aws, Options};
use crate::open::enter;
use crate::prices::{self, Worth};
use crate::problem::{Exit, Problem};
use crate::raise::Here;
use crate::sandbox as local;
use crate::store::{self, Store};
use crate::world::World as _;

mod adopt;
mod ask;
mod config;
mod cost;
mod diagnostics;
mod doctor;
mod export;
mod follow;
mod history;
mod jobs;
mod login;
mod logs;
mod machine;
mod man;
mod out;
mod plan;
mod power;
mod progress;
mod replace;
mod resize;
mod sandbox;
mod session;
mod sessions;
mod settings;
mod snapshot;
mod status;
mod upload;
mod when;
mod window;

const EXAMPLES: &str = "\
Examples:
  holdfast plan                          what would be made or changed, and what it costs
  holdfast up                            make the machine and have it run its configuration
  holdfast connect                       a shell on it
  holdfast exec -- uname -a              one command on it
  holdfast rebuild                       have it run what you changed: holdfast config edit
  holdfast stop                          switch it off; the volume stays
  holdfast resize --type m8g.2xlarge     another instance type
  holdfast --sandbox up                  all of it on this computer, with no AWS account

Exit codes: 0 done, 1 problem, 2 wrong use, 3 consent missing or blocked. connect and exec end with the command's own.";

/// One always-on NixOS machine on EC2, in your own AWS account.
#[derive(Debug, Parser)]
#[command(name = "holdfast", bin_name = "holdfast", version, about, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args, Debug)]
struct Global {
    /// The machine; the default one of the settings if left out.
    #[arg(long, short, global = true, value_name = "NAME", env = "HOLDFAST_MACHINE", hide_env_values = true)]
    machine: Option<MachineName>,
    /// Use a sandbox on this computer instead of AWS.
    #[arg(long, global = true, env = "HOLDFAST_SANDBOX", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    sandbox: bool,
    /// Show every call to AWS; twice for more.
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what would be made or changed, and what it costs.
    Plan {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make AWS match the settings.
    Apply(Yes),
    /// Make AWS match the settings, and go on to a machine that can be reached and runs its configuration.
    Up(Yes),
    /// Remove the machine and everything that holds it up.
    Destroy {
        #[command(flatten)]
        yes: Yes,
        /// Take a last snapshot of the volume and keep it.
        #[arg(long)]
        snapshot: bool,
        /// Keep the volume.
        #[arg(long)]
        keep_volume: bool,
    },
    /// Switch the machine on.
    Start(Yes),
    /// Switch the machine off. Everything on it ends, the volume stays.
    Stop(Yes),
    /// Restart the machine where it is.
    Restart(Yes),
    /// Make the machine another type, or its volume larger or faster.
    ///
    /// The settings keep it. AWS is asked first for all that could go wrong: nothing is stopped that could not come up again.
    #[command(
        after_help = "Examples:\n  holdfast types                       what it can become, and what that costs\n  holdfast resize --type m8g.2xlarge\n  holdfast resize --volume 200"
    )]
    Resize(resize::Resize),
    /// List the instance types that the machine can become where it is.
    Types {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Put a new instance in the machine's place, with its home.
    ///
    /// For another processor, a newer image or a smaller volume: the settings say which. The new instance comes up beside the old one, takes
    /// /home from a snapshot of its last state, and checks every file. The old one is kept, off, until you let it go. What is outside of /home is
    /// made anew from the configuration.
    #[command(
        after_help = "Examples:\n  holdfast settings set instance_type m7i.xlarge\n  holdfast replace\n  holdfast replace --let-go"
    )]
    Replace(replace::Replace),
    /// Take, list, restore and delete snapshots of the machine's volume.
    Snapshot {
        #[command(subcommand)]
        command: snapshot::Command,
    },
    /// Show what the machine costs: a month if it is on, a month while it is off, and this month so far.
    ///
    /// Every figure is a list price on demand, without tax, credits, discounts and data transfer.
    Cost {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Ask AWS's price list for all types of the region first.
        #[arg(long)]
        refresh: bool,
    },
    /// Take over a machine that Pulumi, Terraform or hands have made, or another AWS identity.
    ///
    /// Only tags change: nothing restarts and nothing is made anew. What is not the machine's alone is used and not taken.
    #[command(
        after_help = "Examples:\n  holdfast adopt                       the one that has this machine's names\n  holdfast adopt i-0123456789abcdef0   this one"
    )]
    Adopt {
        /// The instance, whatever its name.
        #[arg(value_name = "INSTANCE-ID")]
        instance: Option<InstanceId>,
        #[command(flatten)]
        yes: Yes,
    },
    /// Print what Pulumi or Terraform need to take the machine over.
    #[command(
        after_help = "Examples:\n  holdfast export --pulumi > import.json && pulumi import --file import.json\n  holdfast export --terraform > import.tf"
    )]
    Export(export::Export),
    /// Show the machine's state and cost.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Go on showing changes until Ctrl-C.
        #[arg(long, short)]
        watch: bool,
    },
    /// Open a shell on the machine.
    Connect {
        /// The session on the machine.
        #[arg(default_value_t, value_name = "NAME")]
        session: SessionName,
        /// Wait for Enter after a problem, since the window closes with this command.
        #[arg(long, hide = true)]
        hold: bool,
    },
    /// Open a terminal window with a shell on the machine, or raise the one that is open.
    #[command(
        after_help = "The terminal is the desktop's own, or the one you choose:\n  holdfast settings set terminal kitty\n  holdfast settings set terminal '[\"foot\", \"--app-id\", \"work\", \"{}\"]'"
    )]
    Open {
        /// The session on the machine.
        #[arg(default_value_t, value_name = "NAME")]
        session: SessionName,
        /// Open another window even if there is one.
        #[arg(long)]
        new: bool,
        /// Open it in this terminal, this once.
        #[arg(long, value_name = "TERMINAL", value_parser = terminals())]
        terminal: Option<Known>,
        /// Say a problem as JSON, for the app.
        #[arg(long, hide = true)]
        json: bool,
    },
    /// What runs in such a window.
    #[command(hide = true)]
    Window {
        /// What it is to run.
        order: std::path::PathBuf,
    },
    /// Run one command on the machine; its output and exit code are this command's.
    ///
    /// One argument is a line for the shell; several are one program and its arguments, handed over exactly.
    #[command(
        after_help = "Examples:\n  holdfast exec -- ls -l '/home/ada/my files'\n  holdfast exec -- 'cd src && cargo test | tail'"
    )]
    Exec {
        /// The command.
        #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
        command: Vec<String>,
    },
    /// List the zellij sessions on the machine, or end one.
    ///
    /// Whatever runs in a session goes on without a terminal; `holdfast connect NAME` shows it again.
    #[command(args_conflicts_with_subcommands = true)]
    Sessions {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<sessions::Command>,
    },
    /// Put a file on the machine, whole or not at all.
    Upload {
        /// The file; - is standard input.
        file: std::path::PathBuf,
        /// Where it goes, counted from the home there; a folder ends with /.
        path: Option<String>,
        /// Its permissions there, as for chmod; those that it has here if left out.
        #[arg(long, value_parser = upload::parse_mode)]
        mode: Option<u32>,
    },
    /// Show when the machine switches itself off (settings off_at and off_when_idle), or keep it on.
    #[command(args_conflicts_with_subcommands = true)]
    Power {
        /// As JSON.
        #[arg(long)]
        json: bool,
        #[command(subcommand)]
        command: Option<power::Command>,
    },
    /// Have the machine build its configuration and run it; it goes on without this computer.
    ///
    /// The machine looks for itself whether the way in still works, and goes back by itself if it does not.
    Rebuild(jobs::Rebuild),
    /// List the machine's last jobs.
    Jobs {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Follow or end a job of the machine's.
    Job {
        #[command(subcommand)]
        command: jobs::JobCommand,
    },
    /// List the generations of the machine's system.
    Generations {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Have the machine go to a generation that is there; to the last good one if left out.
    Rollback {
        /// Its number.
        number: Option<u32>,
        #[command(flatten)]
        yes: Yes,
    },
    /// Edit the machine's NixOS configuration, and see what of it runs.
    Config {
        #[command(subcommand)]
        command: config::Command,
    },
    /// List the profiles of the AWS configuration: what they are, and whether somebody has to sign in.
    Profiles {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Ask AWS with each of them; programs that print credentials run for it.
        #[arg(long)]
        check: bool,
    },
    /// Show the last lines of the log.
    Logs {
        /// And each that comes.
        #[arg(long, short)]
        follow: bool,
        /// As they are, in JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show what this computer has changed, in AWS and on the machine: when, as whom, and with which result.
    History {
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// All that is kept, and not only the last of it.
        #[arg(long)]
        all: bool,
    },
    /// Look at everything that Holdfast needs, and say what is wrong and how to mend it. It changes nothing.
    ///
    /// The exit code is 1 where something does not work.
    Doctor {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Gather what a bug report needs into one archive, without what is private, and show it before it is saved.
    ///
    /// Versions, the doctor's report, the settings, what is known of the machines, the ends of the logs and of the history. Accounts, ARNs,
    /// names of people, computers, profiles and roles, addresses and secrets have placeholders in their place. Nothing is sent anywhere.
    #[command(
        after_help = "Examples:\n  holdfast diagnostics\n  holdfast diagnostics | less                  to look at it alone\n  holdfast diagnostics --yes --output bug.tar.gz"
    )]
    Diagnostics(diagnostics::Args),
    /// Print the least that your AWS identity must be allowed, as an IAM policy for these settings.
    Policy,
    /// Sign in with a profile: at its portal, with the code of its MFA device, or both.
    Login(login::Login),
    /// Forget a sign-in, and make it worthless.
    Logout {
        /// The profile; that of the machine's settings if left out.
        profile: Option<holdfast_core::names::ProfileName>,
    },
    /// Show and change the settings.
    Settings {
        #[command(subcommand)]
        command: settings::Command,
    },
    /// The sandbox: a local AWS to try Holdfast without an account.
    Sandbox {
        #[command(subcommand)]
        command: sandbox::Command,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder: one for this command and one for each of its own.
    Man {
        /// The folder; it is made if it is not there.
        folder: std::path::PathBuf,
    },
}

impl Command {
    /// What is on the command line first. What follows may be anybody's business, and is in no log.
    fn word(&self) -> String {
        let text = format!("{self:?}");
        text.split([' ', '(']).next().unwrap_or_default().to_lowercase()
    }
}

/// A terminal by its name in the settings.
fn terminals() -> impl TypedValueParser<Value = Known> {
    PossibleValuesParser::new(Known::ALL.map(Known::word)).try_map(|word| word.parse().map_err(|()| word))
}

#[derive(Args, Clone, Copy, Debug)]
struct Yes {
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    begin_log(&cli.global);
    tracing::info!(command = cli.command.word(), version = env!("CARGO_PKG_VERSION"), "begins");
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::problem(&Problem::new("system", "The program cannot start").because(error.to_string()));
            return ExitCode::from(1);
        }
    };
    let parting = Parting::of(&cli.command);
    let hold = matches!(cli.command, Command::Connect { hold: true, .. });
    let interrupts = Interrupts::default();
    let ended = runtime.block_on(async {
        tokio::select! {
            biased; // so that Ctrl-C is listened to before anything happens
            () = interrupts.come() => None,
            result = dispatch(cli, &interrupts) => Some(result),
        }
    });
    // A thread may be reading the keyboard, which nothing can interrupt.
    runtime.shutdown_background();
    ExitCode::from(match ended {
        Some(Ok(code)) => code,
        Some(Err(problem)) => {
            tracing::info!(code = problem.code, what = problem.what, "ends with a problem");
            out::problem(&problem);
            if hold {
                out::talk("\nEnter closes this window.");
                crate::terminal::wait_for_enter();
            }
            problem.exit as u8
        }
        None => {
            parting.say();
            INTERRUPTED
        }
    })
}

/// The exit code after a signal is this and its number, as shells give it.
const SIGNALLED: u8 = 128;
/// The exit code after Ctrl-C.
const INTERRUPTED: u8 = SIGNALLED + 2;

/// Ctrl-C ends any command at once, since what is under way is healed by the next run. Only a session takes it for the
/// program on the machine.
#[derive(Clone, Debug, Default)]
struct Interrupts(Rc<Cell<bool>>);

impl Interrupts {
    /// From now on somebody else acts on Ctrl-C. All listeners hear of each one.
    fn take_over(&self) {
        self.0.set(true);
    }

    async fn come(&self) {
        loop {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            if !self.0.get() {
                return;
            }
        }
    }
}

/// What is said when a command was interrupted.
#[derive(Clone, Copy, Debug)]
enum Parting {
    /// It was meant to be.
    Nothing,
    /// Nothing is half done.
    Interrupted,
    /// What was begun on the machine goes on there.
    JobGoesOn,
    /// Something may be half done.
    GoOn,
}

impl Parting {
    fn of(command: &Command) -> Self {
        match command {
            Command::Status { watch: true, .. } | Command::Logs { follow: true, .. } => Self::Nothing,
            Command::Rebuild(_)
            | Command::Rollback { .. }
            | Command::Job { command: jobs::JobCommand::Follow { .. } } => Self::JobGoesOn,
            Command::Apply(_)
            | Command::Up(_)
            | Command::Destroy { .. }
            | Command::Start(_)
            | Command::Stop(_)
            | Command::Adopt { .. }
            | Command::Resize(_)
            | Command::Replace(_)
            | Command::Snapshot { command: snapshot::Command::Restore { .. } }
            | Command::Restart(_) => Self::GoOn,
            Command::Plan { .. }
            | Command::Types { .. }
            | Command::Snapshot { .. }
            | Command::Cost { .. }
            | Command::Export(_)
            | Command::Status { watch: false, .. }
            | Command::Connect { .. }
            | Command::Open { .. }
            | Command::Window { .. }
            | Command::Exec { .. }
            | Command::Sessions { .. }
            | Command::Upload { .. }
            | Command::Power { .. }
            | Command::Jobs { .. }
            | Command::Job { command: jobs::JobCommand::Cancel { .. } }
            | Command::Generations { .. }
            | Command::Config { .. }
            | Command::Profiles { .. }
            | Command::Policy
            | Command::Doctor { .. }
            | Command::Diagnostics(_)
            | Command::History { .. }
            | Command::Logs { follow: false, .. }
            | Command::Login(_)
            | Command::Logout { .. }
            | Command::Settings { .. }
            | Command::Sandbox { .. }
            | Command::Completions { .. }
            | Command::Man { .. } => Self::Interrupted,
        }
    }

    fn say(self) {
        match self {
            Self::Nothing => {}
            Self::Interrupted => out::talk("\nInterrupted."),
            Self::JobGoesOn => out::talk(
                "\nA job that has begun goes on. See it: holdfast jobs. Watch or end it: holdfast job follow ID, holdfast job cancel ID",
            ),
            Self::GoOn => out::talk("\nInterrupted. Run the same command again to go on."),
        }
    }
}

async fn dispatch(cli: Cli, interrupts: &Interrupts) -> Result<u8, Problem> {
    let Cli { global, command } = cli;
    if let Some(machine) = &global.machine {
        let settings = store(&global).and_then(|store| load(&global, &store));
        // The default one is meant anyway.
        if settings.map_or(true, |settings| settings.default != *machine) {
            crate::hints::name(machine);
        }
    }
    match carry_out(&global, command, interrupts).await {
        Err(problem) if problem.is_about_credentials() && !global.sandbox => {
            Err(problem.hint_first(sign_in(&global)))
        }
        result => result,
    }
}

/// How to sign in with the profile that the command used.
fn sign_in(global: &Global) -> Option<String> {
    let desired = desired(global, &load(global, &store(global).ok()?).ok()?).ok()?;
    crate::aws::profile::sign_in_command(&desired).map(|command| format!("sign in: {command}"))
}

async fn carry_out(global: &Global, command: Command, interrupts: &Interrupts) -> Result<u8, Problem> {
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "holdfast", &mut script);
            out::data_bytes(&script);
            Ok(0)
        }
        Command::Man { folder } => man::write(Cli::command(), &folder),
        Command::Sandbox { command } => sandbox::run(command).await,
        Command::Profiles { json, check } => login::profiles(global, json, check).await,
        Command::Logs { follow, json } => logs::run(global, follow, json).await,
        Command::History { json, all } => history::run(global, json, all),
        Command::Doctor { json } => doctor::run(global, json).await,
        Command::Diagnostics(args) => diagnostics::run(global, args).await,
        Command::Policy => {
            let desired = desired(global, &load(global, &store(global)?)?)?;
            out::json(&holdfast_core::policy::least(&desired))?;
            Ok(0)
        }
        Command::Login(args) => login::login(global, &args).await,
        Command::Logout { profile } => login::logout(global, profile.as_ref()).await,
        Command::Settings { command } => settings::run(global, command).await,
        Command::Plan { json } => machine::plan(&Context::open(global).await?, json).await,
        Command::Apply(yes) => machine::apply(&Context::open(global).await?, yes.yes).await,
        Command::Up(yes) => machine::up(&Context::open(global).await?, yes.yes).await,
        Command::Destroy { yes, snapshot, keep_volume } => {
            machine::destroy(&Context::open(global).await?, yes.yes, snapshot, keep_volume).await
        }
        Command::Start(yes) => machine::start(&Context::open(global).await?, yes.yes).await,
        Command::Stop(yes) => machine::stop(&Context::open(global).await?, yes.yes).await,
        Command::Resize(args) => resize::resize(global, args).await,
        Command::Replace(args) => replace::replace(&Context::open(global).await?, &args).await,
        Command::Snapshot { command } => snapshot::run(&mut Context::open(global).await?, command).await,
        Command::Types { json } => resize::types(&Context::open(global).await?, json).await,
        Command::Cost { json, refresh } => cost::run(&Context::open(global).await?, json, refresh).await,
        Command::Adopt { instance, yes } => adopt::adopt(global, instance, yes.yes).await,
        Command::Export(args) => export::export(&Context::open(global).await?, args).await,
        Command::Restart(yes) => machine::restart(&Context::open(global).await?, yes.yes).await,
        Command::Status { json, watch } => status::run(&Context::open(global).await?, json, watch).await,
        Command::Connect { session, hold } => {
            let context = Context::open(global).await?;
            let _here = hold.then(|| Here::tell(&context.store, &context.desired.key(), &session));
            session::connect(&context, &session, interrupts).await
        }
        Command::Open { session, new, terminal, json } => {
            match window::open(global, session, terminal, new).await {
                Err(problem) if json => {
                    out::json(&crate::open::Refused::from(problem))?;
                    Ok(Exit::Problem as u8)
                }
                opened => opened.map(|()| 0),
            }
        }
        Command::Window { order } => enter(&order),
        Command::Sessions { json, command: None } => {
            sessions::list(&Context::open(global).await?, json).await
        }
        Command::Sessions { command: Some(command), .. } => {
            sessions::run(&Context::open(global).await?, command).await
        }
        Command::Power { json, command } => power::run(&Context::open(global).await?, command, json).await,
        Command::Upload { file, path, mode } => {
            upload::run(&Context::open(global).await?, &file, path, mode).await
        }
        Command::Rebuild(args) => jobs::run_rebuild(&Context::open(global).await?, args).await,
        Command::Jobs { json } => jobs::list(&Context::open(global).await?, json).await,
        Command::Job { command } => jobs::run_job(&Context::open(global).await?, command).await,
        Command::Generations { json } => jobs::generations(&Context::open(global).await?, json).await,
        Command::Rollback { number, yes } => {
            jobs::run_rollback(&Context::open(global).await?, number, yes.yes).await
        }
        Command::Config { command } => config::run(global, command).await,
        Command::Exec { command } => session::exec(&Context::open(global).await?, &command, interrupts).await,
    }
}

/// What a command on a machine works with.
struct Context {
    store: Store,
    desired: Desired,
    aws: Aws,
}

impl Context {
    async fn open(global: &Global) -> Result<Self, Problem> {
        let store = store(global)?;
        let desired = desired(global, &load(global, &store)?)?;
        Self::of(global, store, desired).await
    }

    async fn of(global: &Global, store: Store, desired: Desired) -> Result<Self, Problem> {
        let mut options = Options::default();
        if global.sandbox {
            options = local::endpoint().await?;
            out::talk("Sandbox: this is not AWS. Nothing costs money, and the machine is on this computer.");
        }
        options.maker = store.maker()?;
        options.prices = prices::known(&store, &desired);
        options.vault = store.vault();
        let aws = Aws::connect(&desired, options).await;
        Ok(Self { store, desired, aws })
    }

    /// Looks at something before there is anything to do; where the credentials are over, once more after a sign-in.
    async fn look<T>(&self, seeing: impl AsyncFn() -> Result<T, Problem>) -> Result<T, Problem> {
        let watcher = progress::Watcher::new(&self.desired, progress::Asking::Given);
        crate::converge::look(&self.aws, &self.desired, &watcher, seeing).await
    }

    /// Looks at everything that matters for `goal`.
    async fn observe(&self, goal: Goal) -> Result<Observed, Problem> {
        self.look(|| self.aws.observe(&self.desired, goal)).await
    }

    /// Keeps what was done on the machine itself, and what became of it.
    async fn did<T>(&self, operation: &str, what: String, result: &Result<T, Problem>) {
        crate::history::on_machine(&self.store, (&self.aws, &self.desired), operation, what, result).await;
    }

    /// The same with what is about a job of the machine's, as far as there is one.
    async fn did_job<T>(
        &self,
        operation: &str,
        job: Option<&JobId>,
        what: String,
        result: &Result<T, Problem>,
    ) {
        crate::history::on_job(&self.store, (&self.aws, &self.desired), operation, job, what, result).await;
    }

    /// Keeps what a look saw of the machine's power. Who looks has come for something else, so a failure is no matter.
    fn note(&self, observed: &mut Observed, worth: Worth) {
        if let Err(error) = prices::note(&self.store, &self.desired, observed, when::now(), worth) {
            tracing::debug!(%error, "when the machine was on cannot be kept");
        }
    }
}

/// Where settings and state are; the sandbox has its own, so that trying things out changes nothing real.
fn store(global: &Global) -> Result<Store, Problem> {
    if global.sandbox { local::store() } else { Ok(Store::open()?) }
}

/// The user of a machine whose settings name none. In the sandbox it need not fit anything.
fn login(global: &Global) -> Option<UserName> {
    store::login().or_else(|| "dev".parse().ok().filter(|_| global.sandbox))
}

fn load(global: &Global, store: &Store) -> Result<Settings, Problem> {
    let text = store.read_settings_text()?;
    let login = login(global);
    Settings::parse(text.as_deref().unwrap_or_default(), login.as_ref()).map_err(|errors| {
        let problem = Problem::settings(&store.settings_path(), &errors);
        if text.is_some() {
            return problem.hint("or put them aside and begin anew: holdfast settings reset");
        }
        // Without a file the user is the only thing that can be missing.
        problem.hint_first(Some("name the user of the machine: holdfast settings set user NAME".to_owned()))
    })
}

fn desired(global: &Global, settings: &Settings) -> Result<Desired, Problem> {
    settings.machine(global.machine.as_ref()).cloned().ok_or_else(|| {
        let known: Vec<&str> = settings.machines.keys().map(MachineName::as_str).collect();
        let name = global.machine.as_ref().map(ToString::to_string).unwrap_or_default();
        Problem::new("no_such_machine", format!("The settings know no machine {name}"))
            .because(format!("they know {}", known.join(", ")))
            .hint(format!(
                "give it a setting of its own: holdfast --machine {name} settings set region REGION"
            ))
            .exit(Exit::Usage)
    })
}

fn usage(error: &clap::Error) -> ExitCode {
    // Help and version are asked for and go to stdout; clap knows which is which.
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

fn begin_log(global: &Global) {
    let level = match global.verbose {
        0 => None,
        1 => Some("holdfast=debug"),
        _ => Some("debug"),
    };
    let file = store(global).ok().map(|store| store.log_file());
    crate::log::begin(file, level.map(|level| (level, out::Style::stderr().is_coloured())));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;
    use holdfast_core::hints::OF_MACHINE;

    /// A new command belongs into one of the lists.
    #[test]
    fn every_command_is_about_a_machine_or_not() {
        let others = [
            "completions",
            "diagnostics",
            "history",
            "login",
            "logout",
            "logs",
            "man",
            "profiles",
            "sandbox",
            "settings",
            "window",
        ];
        let command = super::Cli::command();
        let all: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let known: BTreeSet<&str> = OF_MACHINE.into_iter().chain(others).collect();
        assert_eq!(all, known);
        assert_eq!(known.len(), OF_MACHINE.len() + others.len(), "in one of them");
    }
}
