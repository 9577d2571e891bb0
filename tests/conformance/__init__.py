"""SQS's behaviour, asked of more than one program."""
