//! Gives out a job's log to the one who reads it, as fast as he asks for it.

use std::collections::BTreeMap;

use holdfast_core::app::{App, Refusal};
use holdfast_core::jobs::LogChunk;
use tokio::sync::oneshot;

/// Somebody wants lines of a job's log.
#[derive(Debug)]
pub struct LogRequest {
    /// The log's number in the view.
    pub number: u32,
    /// The number of the first line that he wants.
    pub from: u32,
    /// Where the answer goes: at once when there are such lines, and else as soon as there are.
    pub answer: oneshot::Sender<Result<LogChunk, Refusal>>,
}

/// The window, which may read several logs at a time.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Who waits for more of a log, by its number. Of logs that are not kept nobody does.
    waits: BTreeMap<u32, LogRequest>,
}

impl Reader {
    /// A second request for a log takes the place of one that waits, so that there are never more to be kept than logs.
    pub(super) fn asks(&mut self, request: LogRequest) {
        if let Some(before) = self.waits.insert(request.number, request) {
            give(before, Err(Refusal { why: "The log was asked for anew".to_owned() }));
        }
    }

    /// Answers those who wait, if there is something for them now.
    pub(super) fn answer(&mut self, app: &App) {
        for (number, request) in std::mem::take(&mut self.waits) {
            match app.log(number, request.from).transpose() {
                Some(answer) => give(request, answer),
                None => drop(self.waits.insert(number, request)),
            }
        }
    }
}

fn give(request: LogRequest, answer: Result<LogChunk, Refusal>) {
    // Whoever asked may be gone.
    let _ = request.answer.send(answer);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use holdfast_core::app::Event;
    use holdfast_core::jobs::{LogBuffer, Step};
    use holdfast_core::time::Moment;
    use tokio::sync::oneshot::error::TryRecvError;

    use super::*;

    type Answer = oneshot::Receiver<Result<LogChunk, Refusal>>;

    fn asks(reader: &mut Reader, app: &App, number: u32, from: u32) -> Answer {
        let (answer, answered) = oneshot::channel();
        reader.asks(LogRequest { number, from, answer });
        reader.answer(app);
        answered
    }

    fn lines(mut answer: Answer) -> Vec<String> {
        answer.try_recv().expect("an answer").expect("lines").lines
    }

    fn on(app: &mut App, event: Event) {
        app.on(event, Moment::from_epoch(Duration::ZERO));
    }

    fn says(app: &mut App, line: &str) {
        let mut log = LogBuffer::default();
        log.push(line);
        on(app, Event::JobAt { step: Step::Begin, log });
    }

    #[test]
    fn lines_are_waited_for_and_another_log_is_noticed() {
        let (mut app, mut reader) = (App::new(false, String::new()), Reader::default());
        assert!(asks(&mut reader, &app, 0, 0).try_recv().unwrap().is_err(), "there is no log");
        on(&mut app, Event::JobAsked { to: None });
        let mut waits = asks(&mut reader, &app, 1, 0);
        assert_eq!(waits.try_recv(), Err(TryRecvError::Empty));
        says(&mut app, "one");
        reader.answer(&app);
        assert_eq!(lines(waits), ["one"]);
        assert_eq!(lines(asks(&mut reader, &app, 1, 0)), ["one"], "as often as he likes");

        let mut waits = asks(&mut reader, &app, 1, 1);
        on(&mut app, Event::JobAsked { to: Some(3) });
        reader.answer(&app);
        assert!(waits.try_recv().unwrap().is_err(), "it is the log of another job");
        assert!(asks(&mut reader, &app, 1, 0).try_recv().unwrap().is_err());
        says(&mut app, "another");
        assert_eq!(lines(asks(&mut reader, &app, 2, 0)), ["another"]);
    }

    #[test]
    fn only_the_last_request_is_kept() {
        let (mut app, mut reader) = (App::new(false, String::new()), Reader::default());
        on(&mut app, Event::JobAsked { to: None });
        let mut all: Vec<Answer> = (0..1000).map(|_| asks(&mut reader, &app, 1, 0)).collect();
        let last = all.pop().unwrap();
        assert!(all.iter_mut().all(|answer| answer.try_recv().unwrap().is_err()));
        assert!(asks(&mut reader, &app, 1, u32::MAX).try_recv().unwrap().is_err());
        drop(last);
        // The one who asked is gone: nothing happens.
        says(&mut app, "one");
        reader.answer(&app);
        assert_eq!(lines(asks(&mut reader, &app, 1, 0)), ["one"]);
    }
}
