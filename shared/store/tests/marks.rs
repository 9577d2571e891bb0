//! Marks and leases against a DynamoDB.

use std::time::Duration;

use afferent_domain::id::{ConnectionId, NotificationId, PullId};
use afferent_domain::mark::{Cause, Entry};
use afferent_domain::service::Service;
use afferent_local::{Setup, Simulation, Ticks};
use afferent_store::connections::Connections;
use afferent_store::marks::{Ending, Lease, Release};

const SERVICE: Service = Service::Getmeas;

#[tokio::test(start_paused = true)]
async fn a_mark_that_takes_the_lease_is_due_when_that_ends_and_changes_nothing_under_the_lease_of_another() {
    let simulation = Simulation::bare(Setup { ticks: Ticks::Off, ..Setup::default() }).await.unwrap();
    let connections = Connections::new(afferent_store::client(&simulation.rim.aws), "afferent-connections".to_owned());
    let (con, now) = (ConnectionId::from("con_1"), simulation.clock.now());
    let until = now + Duration::from_secs(135);
    let entry = |id: &str| Entry { cause: Cause::Notification(NotificationId::from(id)), received: now, window: None };
    let [first, other] = ["pul_1", "pul_2"].map(PullId::from);
    let take = async |id: &str, pull: &PullId, now| {
        connections.mark_and_lease(&con, SERVICE, &entry(id), None, pull, (now, until)).await.unwrap()
    };
    let mark = take("ntf_1", &first, now).await.unwrap();
    assert_eq!((mark.entries, mark.count), (vec![entry("ntf_1")], 1));
    assert_eq!(take("ntf_2", &other, now).await, None);
    let mark = take("ntf_3", &first, now).await.unwrap();
    assert_eq!((mark.entries.len(), mark.count), (2, 2), "one's own lease is no hindrance");
    let standing = connections.standings(&con).await.unwrap().remove(&SERVICE).unwrap();
    assert_eq!((standing.due, standing.leased, standing.entries.len()), (Some(until), Some(until), 2));
    assert_eq!(connections.lease(&con, SERVICE, &other, now, until).await.unwrap(), Lease::Held);
    // The lease is dead: whoever comes next has it.
    let mark = take("ntf_4", &other, until).await.unwrap();
    assert_eq!(mark.entries.len(), 3);
    let failed = Ending { due: Some(until + Duration::from_secs(60)), failures: 1, ..Ending::default() };
    let lost = connections.release(&con, SERVICE, &first, &mark, &failed, until).await.unwrap();
    assert_eq!(lost, Release::Lost);
    let released = connections.release(&con, SERVICE, &other, &mark, &failed, until).await.unwrap();
    assert_eq!(released, Release::Done);
    assert_eq!(take("ntf_5", &first, until).await, None, "after a failure the service is left alone");
}
