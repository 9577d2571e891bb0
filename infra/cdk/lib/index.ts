export { ACKNOWLEDGED, Acknowledged } from "./acknowledged";
export { Afferent, AfferentProps, FUNCTIONS, QUEUES, TABLES } from "./afferent";
export type { FunctionName, QueueName, TableName } from "./afferent";
export { AfferentParameters, PARAMETER_NAMES, SECRET_PARAMETERS } from "./parameters";
