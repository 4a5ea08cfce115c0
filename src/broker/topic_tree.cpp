#include "broker/topic_tree.h"

namespace sealmq::broker {
namespace {

/// Cuts the first level off `rest`; `last` tells whether it was the last one.
std::string_view next_level(std::string_view& rest, bool& last) {
  std::size_t slash = rest.find('/');
  last = slash == std::string_view::npos;
  std::string_view level = rest.substr(0, slash);
  rest = last ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

bool ends_with_hash(std::string_view filter) {
  return filter.ends_with('#');
}

void append_all(std::vector<Subscription*>& out, const std::vector<Subscription*>& some) {
  out.insert(out.end(), some.begin(), some.end());
}

}  // namespace

std::vector<Subscription*>& TopicTree::list_of(TopicNode& node, const Subscription& subscription) {
  return ends_with_hash(subscription.filter) ? node.below : node.here;
}

void TopicTree::add(Subscription& subscription) {
  TopicNode* node = &root_;
  std::string_view rest = subscription.filter;
  for (bool last = false; !last;) {
    std::string_view level = next_level(rest, last);
    if (last && level == "#") break;  // kept at the parent, which it matches too
    auto child = node->children.find(level);
    if (child == node->children.end()) {
      child = node->children.emplace(std::string(level), std::make_unique<TopicNode>()).first;
      child->second->parent = node;
      child->second->level = level;
      ++nodes_;
    }
    node = child->second.get();
  }
  auto& list = list_of(*node, subscription);
  subscription.node = node;
  subscription.place = list.size();
  list.push_back(&subscription);
  if (interest_ != nullptr) interest_->add(subscription.filter);
  forget();
}

void TopicTree::remove(Subscription& subscription) {
  if (interest_ != nullptr) interest_->remove(subscription.filter);
  TopicNode* node = subscription.node;
  auto& list = list_of(*node, subscription);
  list[subscription.place] = list.back();
  list[subscription.place]->place = subscription.place;
  list.pop_back();
  while (node->parent != nullptr && node->empty()) {
    TopicNode* parent = node->parent;
    parent->children.erase(parent->children.find(node->level));
    --nodes_;
    node = parent;
  }
  forget();
}

void TopicTree::forget() {
  last_ = nullptr;
  remembered_.clear();
  remembered_bytes_ = 0;
}

const std::vector<Subscription*>& TopicTree::match(std::string_view topic) {
  if (last_ != nullptr && last_->first == topic) return last_->second;
  auto known = remembered_.find(topic);
  if (known == remembered_.end()) {
    if (remembered_.size() >= topics_remembered || remembered_bytes_ > most_bytes_remembered) forget();
    known = remembered_.emplace(topic, std::vector<Subscription*>()).first;
    collect(root_, topic, true, known->second);
    remembered_bytes_ += topic.size() + known->second.capacity() * sizeof(void*);
  }
  last_ = &*known;
  return last_->second;
}

void TopicTree::collect(const TopicNode& node, std::string_view rest, bool first, std::vector<Subscription*>& out) {
  ++visited_;
  bool hidden = first && rest.starts_with('$');
  if (!hidden) append_all(out, node.below);
  bool last = false;
  std::string_view level = next_level(rest, last);
  auto step = [&](std::string_view name) {
    auto child = node.children.find(name);
    if (child == node.children.end()) return;
    if (!last) return collect(*child->second, rest, false, out);
    ++visited_;
    append_all(out, child->second->here);
    append_all(out, child->second->below);  // "sport/#" matches "sport"
  };
  step(level);
  if (!hidden) step("+");
}

}  // namespace sealmq::broker
