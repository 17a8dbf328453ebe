# A table to tables/NAME.csv: words as they are, numbers with all their digits, NA apart from "".
keep <- function(table, name) {
  as_words <- function(column) {
    words <- if (is.double(column) && is.null(attr(column, "class"))) sprintf("%.17g", column) else as.character(column)
    ifelse(is.na(column) & !words %in% "NaN", "<missing>", enc2utf8(words))
  }
  words <- as.data.frame(lapply(table, as_words), optional = TRUE)
  dir.create("tables", showWarnings = FALSE)
  utils::write.csv(words, file.path("tables", paste0(name, ".csv")), row.names = FALSE, fileEncoding = "UTF-8")
}
