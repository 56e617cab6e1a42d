import java.net.URI;
import java.time.Instant;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;

/** Asks the test's Kinesis a few things and prints what it read, a line each. */
public class Kinesis {
  public static void main(String[] args) {
    KinesisClient client = KinesisClient.builder()
        .endpointOverride(URI.create(args[0]))
        .region(Region.EU_WEST_1)
        .credentialsProvider(StaticCredentialsProvider.create(AwsBasicCredentials.create("test", "test")))
        .httpClient(UrlConnectionHttpClient.create())
        .build();
    System.out.println(client.getRecords(b -> b.shardIterator("i").limit(2)));
    System.out.println(client.getShardIterator(b -> b.streamName("s").shardId("1")
        .shardIteratorType("AT_TIMESTAMP").timestamp(Instant.ofEpochMilli(1772366400250L))));
    try {
      client.putRecord(b -> b.streamName("none").data(SdkBytes.fromUtf8String("x")).partitionKey("k"));
    } catch (ResourceNotFoundException e) {
      System.out.println(e.awsErrorDetails().errorMessage());
    }
  }
}
