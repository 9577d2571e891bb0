#!/usr/bin/env bash
# Stops one function of a deployed stack, starts it again, or says how all of them stand: `make stop`, `make start`,
# `make standing`. Needs the AWS CLI, with credentials that may do what is written below.
#
# A function that reads a queue or the stream is stopped at its event source: what comes waits there and is not received,
# because every receive counts toward the dead-letter queue. (A concurrency of 0 would let SQS go on handing messages to
# an invocation that is refused.) The others are invoked by somebody else, and get a reserved concurrency of 0.
# A stack that is deployed with Standing=stopped has just that of all its functions, so what is started here is started.

set -euo pipefail

usage() {
    echo "usage: infra/switch.sh stop|start ingest|fetcher|fanout|dispatcher|keeper|api <stack>" >&2
    echo "       infra/switch.sh standing <stack>" >&2
    exit 2
}

# The ids of a function's event sources, also of those of its alias.
sources() {
    aws lambda list-event-source-mappings --output text --query \
        "EventSourceMappings[?ends_with(FunctionArn, ':function:$1') || contains(FunctionArn, ':function:$1:')].[UUID]"
}

# A parameter of the stack.
parameter() {
    aws cloudformation describe-stacks --stack-name "$2" --output text --query \
        "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue"
}

# The reserved concurrency that the stack's parameters give the function; nothing if they give it none.
reserved() {
    case $1 in
        ingest) value=$(parameter IngestConcurrency "$2") ;;
        api) value=$(parameter ApiConcurrency "$2") ;;
        *) return ;;
    esac
    if [[ $value =~ ^[1-9][0-9]*$ ]]; then echo "$value"; fi
}

what_waits() {
    case $1 in
        ingest) echo "Withings is answered 429. It tries each notification for about six hours, then gives it up; sweeps find
what that told, with SweepUpdates as it is within a day. After twenty days Withings ends the subscriptions." ;;
        fetcher) echo "Notifications wait on the queue for four days; marks that are stored, sweeps and backfills wait in the table
for as long as you like. Nothing is read from Withings, and no token pair is renewed." ;;
        fanout) echo "Changed records wait in the stream for 24 hours; of what is older the keeper's daily comparison makes the
events. Nobody is sent anything new meanwhile." ;;
        dispatcher) echo "Deliveries wait on the queue and in the table. One that is older than three days (or than its policy is long)
then ends as expired, and can be recovered." ;;
        keeper) echo "What is due in the tables is not woken: deliveries that are parked or kept back, failed pulls, sweeps, backfills,
jobs, notices, erasures. All of it goes on where it was; runs that Lambda kept meanwhile do no harm." ;;
        api) echo "Callers are answered 429. Who is consenting at Withings comes back to an error; a link is good for an hour." ;;
    esac
}

stop() {
    name="$2-$1"
    case $1 in
        fetcher | fanout | dispatcher)
            ids=$(sources "$name")
            [[ -n $ids ]] || { echo "$name has no event source here: is $2 the stack's name?" >&2; exit 1; }
            for id in $ids; do
                aws lambda update-event-source-mapping --uuid "$id" --no-enabled --output text --query State
            done
            ;;
        *) aws lambda put-function-concurrency --function-name "$name" --reserved-concurrent-executions 0 --output text ;;
    esac
    echo "$name is being stopped; what runs comes to its end."
    what_waits "$1"
}

start() {
    name="$2-$1"
    case $1 in
        fetcher | fanout | dispatcher)
            ids=$(sources "$name")
            [[ -n $ids ]] || { echo "$name has no event source here: is $2 the stack's name?" >&2; exit 1; }
            for id in $ids; do
                aws lambda update-event-source-mapping --uuid "$id" --enabled --output text --query State
            done
            ;;
        *)
            concurrency=$(reserved "$1" "$2")
            if [[ -n $concurrency ]]; then
                aws lambda put-function-concurrency --function-name "$name" \
                    --reserved-concurrent-executions "$concurrency" --output text
            else
                aws lambda delete-function-concurrency --function-name "$name"
            fi
            ;;
    esac
    echo "$name is being started."
    if [[ $(parameter Standing "$2") == stopped ]]; then
        echo "The stack is deployed with Standing=stopped. When all that should run does, deploy Standing=started, so that a
later deployment stops nothing."
    fi
}

standing() {
    for function in ingest fetcher fanout dispatcher keeper api; do
        name="$1-$function"
        case $function in
            fetcher | fanout | dispatcher)
                for id in $(sources "$name"); do
                    aws lambda get-event-source-mapping --uuid "$id" --output text \
                        --query "join(' ', ['$name', State, EventSourceArn])"
                done
                ;;
            *)
                concurrency=$(aws lambda get-function-concurrency --function-name "$name" --output text \
                    --query ReservedConcurrentExecutions)
                if [[ $concurrency == 0 ]]; then echo "$name Stopped"; else echo "$name Enabled"; fi
                ;;
        esac
    done
}

case "${1-}" in
    stop | start)
        [[ $# == 3 && " ingest fetcher fanout dispatcher keeper api " == *" $2 "* ]] || usage
        "$1" "$2" "$3"
        ;;
    standing)
        [[ $# == 2 ]] || usage
        standing "$2"
        ;;
    *) usage ;;
esac
