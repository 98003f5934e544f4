//! Another node in the group of a log's nodes: joins with the brokers, log name, number of partitions, node id and address
//! that it is given, prints what it is assigned whenever that changes, and leaves when its input ends.

use daybook_log::Membership;
use daybook_testkit::kafka::log_options;
use tokio::io::AsyncReadExt;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [brokers, name, partitions, node_id, address] = &arguments[..] else {
        panic!("arguments: brokers, log name, number of partitions, node id, address");
    };
    let options = log_options(brokers, name, partitions.parse().expect("a number"));
    let membership = Membership::join(&options, node_id, address).expect("a member");
    let mut assigned = membership.assigned();
    let mut input = tokio::io::stdin();
    let mut nothing = [0; 64];
    loop {
        let now: Vec<_> = assigned.borrow_and_update().iter().map(ToString::to_string).collect();
        println!("{}", now.join(" "));
        tokio::select! {
            changed = assigned.changed() => changed.expect("the membership goes on"),
            read = input.read(&mut nothing) => {
                assert_eq!(read.expect("the input can be read"), 0, "nothing is to be said to it");
                break;
            }
        }
    }
    membership.leave().await;
}
