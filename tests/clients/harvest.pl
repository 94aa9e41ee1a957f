# Harvests the provider with HTTP::OAI: harvest.pl URL [FROM]. Prints a line for each record: its identifier, and
# "deleted" or its title.
use strict;
use warnings;
use HTTP::OAI;

binmode STDOUT, ':encoding(UTF-8)';
my ($url, $from) = @ARGV;
my $harvester = HTTP::OAI::Harvester->new(baseURL => $url);
my $response = $harvester->ListRecords(
    metadataPrefix => 'oai_dc',
    $from ? (from => $from) : (),
    onRecord => sub {
        my $record = shift;
        my $text = 'deleted';
        unless ($record->is_deleted) {
            my ($title) = $record->metadata->dom->findnodes('.//*[local-name() = "title"]');
            $text = $title->textContent;
        }
        print $record->identifier, "\t", $text, "\n";
    },
);
die $response->message if $response->is_error;
