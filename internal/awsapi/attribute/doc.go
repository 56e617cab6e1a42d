// Package attribute checks the attributes that messages carry beside their body, as
// the APIs of queues and topics have them, and makes the digest that clients compare.
//
// It says what is wrong; the words in which a client is told are each API's own.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
package attribute
